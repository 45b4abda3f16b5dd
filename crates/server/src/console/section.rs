//! The pages of an app: one closed set, from which its navigation is made.

/// A page of an app, or several that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    Users,
    PushLog,
    Broadcasts,
    Webhooks,
    Credentials,
    Settings,
    Keys,
}

impl Section {
    /// Every one, in the order of the navigation.
    pub(super) const ALL: [Self; 8] = [
        Self::Overview,
        Self::Users,
        Self::PushLog,
        Self::Broadcasts,
        Self::Webhooks,
        Self::Credentials,
        Self::Settings,
        Self::Keys,
    ];

    /// What it is called.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Users => "Users",
            Self::PushLog => "Push log",
            Self::Broadcasts => "Broadcasts",
            Self::Webhooks => "Webhooks",
            Self::Credentials => "Credentials",
            Self::Settings => "Push settings",
            Self::Keys => "Keys",
        }
    }

    /// Its path behind that of the app.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Overview => "",
            Self::Users => "/users",
            Self::PushLog => "/push-log",
            Self::Broadcasts => "/broadcasts",
            Self::Webhooks => "/webhooks",
            Self::Credentials => "/credentials",
            Self::Settings => "/settings",
            Self::Keys => "/keys",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::routes::ROUTES;

    #[test]
    fn every_section_has_a_page() {
        for section in Section::ALL {
            let path = format!("/console/apps/{{app}}{}", section.path());
            let page = |route: &&crate::console::routes::Route| {
                route.method == http::Method::GET && route.path == path
            };
            assert_eq!(ROUTES.iter().filter(page).count(), 1, "{path}");
        }
    }
}
