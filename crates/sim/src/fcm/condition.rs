//! Which topics a message is for ("Send messages to topics"): `'X' in topics`, joined by `&&` and
//! `||`, in parentheses, negated. What is not in parentheses is read from left to right; neither
//! operator binds closer.

use std::collections::HashSet;

/// Topics that one condition may name.
const MAX_TOPICS: u32 = 5;
/// How deep parentheses may stand in each other. Google names no limit; five topics need fewer.
const MAX_DEPTH: u32 = 16;

/// What a device has to have subscribed to.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Condition {
    Both(Box<Self>, Box<Self>),
    Either(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Topic(String),
}

impl Condition {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text, topics: 0 };
        let condition = reader.expression(0)?;
        let whole = reader.rest.trim_start().is_empty() && reader.topics <= MAX_TOPICS;
        whole.then_some(condition)
    }

    /// A single topic by its name alone.
    pub(super) fn topic(name: &str) -> Option<Self> {
        is_topic(name).then(|| Self::Topic(name.to_owned()))
    }

    /// Whether who has subscribed to these is meant.
    pub(super) fn holds(&self, topics: &HashSet<String>) -> bool {
        match self {
            Self::Both(one, other) => one.holds(topics) && other.holds(topics),
            Self::Either(one, other) => one.holds(topics) || other.holds(topics),
            Self::Not(inner) => !inner.holds(topics),
            Self::Topic(name) => topics.contains(name),
        }
    }
}

pub(crate) fn is_topic(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte);
    !name.is_empty() && name.bytes().all(is_letter)
}

struct Reader<'a> {
    rest: &'a str,
    topics: u32,
}

impl Reader<'_> {
    fn expression(&mut self, depth: u32) -> Option<Condition> {
        let mut left = self.operand(depth)?;
        loop {
            let join = if self.take("&&") {
                Condition::Both
            } else if self.take("||") {
                Condition::Either
            } else {
                return Some(left);
            };
            left = join(Box::new(left), Box::new(self.operand(depth)?));
        }
    }

    fn operand(&mut self, depth: u32) -> Option<Condition> {
        let mut negated = false;
        while self.take("!") {
            negated = !negated;
        }
        let inner = if !self.take("(") {
            self.topic()?
        } else if depth < MAX_DEPTH {
            let inner = self.expression(depth + 1)?;
            self.take(")").then_some(inner)?
        } else {
            return None;
        };
        Some(if negated { Condition::Not(Box::new(inner)) } else { inner })
    }

    /// `'X' in topics`.
    fn topic(&mut self) -> Option<Condition> {
        self.topics += 1;
        let (name, rest) = self.rest.trim_start().strip_prefix('\'')?.split_once('\'')?;
        self.rest = rest.trim_start().strip_prefix("in")?;
        let apart = self.rest.starts_with(char::is_whitespace);
        (apart && self.take("topics")).then(|| Condition::topic(name))?
    }

    fn take(&mut self, word: &str) -> bool {
        let Some(rest) = self.rest.trim_start().strip_prefix(word) else { return false };
        self.rest = rest;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_condition_may_say() {
        for good in [
            "'a' in topics",
            "'a' in topics && ('b' in topics || !('c' in topics))",
            "!'a' in topics",
            "  ( 'a'  in  topics )  ",
        ] {
            assert!(Condition::parse(good).is_some(), "{good}");
        }
        let many = ["'a' in topics"; 6].join(" || ");
        let deep = format!("{}'a' in topics{}", "(".repeat(20_000), ")".repeat(20_000));
        for bad in [
            "",
            "a in topics",
            "'a'",
            "'a' in topic",
            "'a' intopics",
            "'a b' in topics",
            "'' in topics",
            "'a' in topics &&",
            "'a' in topics 'b' in topics",
            "('a' in topics",
            "'a' in topics)",
            "'a in topics",
            "!",
            &many,
            &deep,
        ] {
            assert!(Condition::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn whom_a_condition_means() {
        let check = |text: &str, topics: &str, expected: bool| {
            let topics = topics.split(' ').filter(|topic| !topic.is_empty());
            let topics: HashSet<String> = topics.map(str::to_owned).collect();
            let condition = Condition::parse(text).unwrap();
            assert_eq!(condition.holds(&topics), expected, "{text} of {topics:?}");
        };
        let (a, b, c) = ("'a' in topics", "'b' in topics", "'c' in topics");
        check(a, "a", true);
        check(a, "A b", false);
        check(&format!("{a} && {b}"), "a", false);
        check(&format!("{a} && {b}"), "a b", true);
        check(&format!("{a} || {b}"), "b", true);
        check(&format!("!({a} || {b})"), "", true);
        check(&format!("!!{a}"), "", false);
        // From left to right: `&&` comes last here, though it binds closer in most languages.
        check(&format!("{a} || {b} && {c}"), "a", false);
        check(&format!("{a} || ({b} && {c})"), "a", true);
    }
}
