//! What the reason words of the push log say, each in a sentence.

use domain::Reason;
use store::log::Step;

/// The sentence of a step's reason word; empty for a word that this version does not know.
pub fn sentence(step: Step, word: &str) -> &'static str {
    match step {
        Step::Accept => accept(word),
        Step::Route => route(word),
        Step::Session => session(word),
        Step::Wake => Reason::parse(word).map_or("", wake),
        Step::Push => push(word),
        Step::Settle => settle(word),
    }
}

fn accept(word: &str) -> &'static str {
    match word {
        "accepted" => "It was stored, and the sender was told so.",
        "call_started" => "The call was taken in; its callee's devices are to ring.",
        _ => "",
    }
}

fn route(word: &str) -> &'static str {
    match word {
        "cancelled" => "The push was cancelled; what was not sent yet is not sent.",
        "done" => "The push was ended.",
        "paused" => "The push was paused.",
        "resumed" => "The push goes on.",
        _ => "",
    }
}

fn session(word: &str) -> &'static str {
    match word {
        "answered" => "The call was taken on this device.",
        "ringing" => "The device says that it rings.",
        "acked" => "The device says that it holds everything up to here.",
        "closed" => "The server ended the session.",
        "connected" => "The device opened a session.",
        "delivered" => "It was written to the device; its acknowledgement is awaited.",
        "disconnected" => "The session ended.",
        "read" => "The user has read it on this device.",
        "suspect" => {
            "The session did not acknowledge in time; it is taken for asleep, and the device is woken."
        }
        "test_acked" => "The device says that the test push reached its app.",
        "woken" => "The push reached the app, and the app connected.",
        "woken_but_refused" => "The push reached the app, but the server did not let it in.",
        "woken_demoted" => {
            "The push reached the app, but Google had lowered its priority, so it may have come late."
        }
        "woken_late" => {
            "The push had reached the app long before the app could connect: its network failed, or it gave up too early."
        }
        _ => "",
    }
}

/// Why a wake is where it is.
pub const fn wake(reason: Reason) -> &'static str {
    match reason {
        Reason::Acked => "Nothing is owed any more: the device has acknowledged it.",
        Reason::Budget => {
            "Apple takes three background pushes an hour for a device; they are used up, so a visible push goes."
        }
        Reason::CallOver => "The call is over, so nobody is rung for it.",
        Reason::Changed => "A push target, a credential or a setting changed; it is tried anew.",
        Reason::Claimed => "A push is on its way.",
        Reason::Climbing => {
            "The push service took the push; if the device does not come, the next one is stronger."
        }
        Reason::Credential => "The app has no credential that could carry it.",
        Reason::Disabled => "Pushes of this app are switched off.",
        Reason::Disconnected => "The session ended before the device had acknowledged everything.",
        Reason::Exhausted => "Every push that may be sent was sent; the next message tries again.",
        Reason::Expired => "The message's time was over before the device came.",
        Reason::Fetched => "The device reads its inbox by HTTP; its acknowledgement is awaited.",
        Reason::HeldElsewhere => {
            "The user is looking at the app on another device; the push waits a little."
        }
        Reason::Joined => "Another message came; one push tells of both.",
        Reason::Lapsed => "The push before ended without a word; it is sent again under its name.",
        Reason::Live => "The device has a session, which delivers; nothing is pushed.",
        Reason::Message => "The device is asleep; it is to be woken.",
        Reason::Muted => "The user has muted all that waits, so nothing is pushed.",
        Reason::NoTarget => "The device has no push token that could be used.",
        Reason::ReadElsewhere => {
            "The user has read all that waits on another device, so nothing is pushed."
        }
        Reason::Refused => "The push service refused the push; it is tried again later.",
        Reason::Restart => {
            "The server started anew; the device has a moment to come back by itself."
        }
        Reason::Ring => "A call came in; the device is to ring.",
        Reason::Rings => "The push service took the push that lets the device ring.",
        Reason::Suspect => "The session did not acknowledge in time; the device is woken.",
        Reason::TooLate => "Too little time to ring was left for a push.",
        Reason::Unknown => "Nobody knows whether the push service took the push; it is sent again.",
        Reason::Unsendable => "The push service refuses even the smallest push for its content.",
    }
}

fn push(word: &str) -> &'static str {
    match word {
        "accepted" => "The push service took the push. Taken is not delivered.",
        "refused" => "The push was refused.",
        "unknown" => "The connection broke before an answer came; the push may have arrived.",
        "withdrawn" => "It was of no use to anybody any more when its turn came, and was not sent.",
        _ => "",
    }
}

fn settle(word: &str) -> &'static str {
    match word {
        "busy" => "The call is over: the callee is busy.",
        "cancelled" => "The call is over: its caller gave up.",
        "declined" => "The call is over: the callee declined.",
        "hung_up" => "The call is over: one side hung up.",
        "lost" => "The call is over: a side did not come back in time.",
        "unanswered" => "The call is over: nobody took it.",
        "stale" => "The answer came too late to matter: the wake had gone on without it.",
        "token_dropped" => "The push token is gone for good, so it was dropped.",
        "unknown" => "The push before ended without a word.",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_sentence_of_its_own() {
        let mut seen = std::collections::HashSet::new();
        for reason in Reason::ALL {
            let said = sentence(Step::Wake, reason.as_str());
            assert!(said.ends_with('.') && seen.insert(said), "{reason:?}: {said}");
        }
    }

    #[test]
    fn an_unknown_word_says_nothing() {
        for step in Step::ALL {
            assert_eq!(sentence(step, "of a later version"), "");
        }
    }
}
