//! The little language of conditions: `'dogs' in topics && !('cats' in topics)`.
//!
//! ```text
//!   expression = operand *( ( "&&" / "||" ) operand )
//!   operand    = *"!" ( "(" expression ")" / test )
//!   test       = "'" topic "'" "in" "topics"
//! ```
//!
//! Only the form is checked here; FCM evaluates it, from left to right.
//! <https://firebase.google.com/docs/cloud-messaging/send-topic-messages>

use super::target::is_topic_letter;

/// Google's limit of topics in one condition.
const MOST_TOPICS: usize = 5;
/// Our limit of parentheses in one another; Google gives none.
const DEEPEST: usize = 16;
/// Our limit of a condition in bytes: five of the longest topics and room between them.
const LONGEST: usize = 5000;

/// Why a text is no condition.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// Where it breaks, counted in characters from 1.
    at: usize,
    /// What is wrong there.
    problem: &'static str,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at character {}", self.problem, self.at)
    }
}

/// Whether a text is a condition, and if not, where it breaks.
pub(super) fn check(text: &str) -> Result<(), Broken> {
    if text.len() > LONGEST {
        let at = text.char_indices().take_while(|(start, _)| *start < LONGEST).count() + 1;
        return Err(Broken { at, problem: "more than 5000 bytes" });
    }
    let mut parser = Parser { text, rest: text, topics: 0, depth: 0 };
    parser.expression()?;
    match parser.peek() {
        None => Ok(()),
        Some(')') => Err(parser.broken("a parenthesis that was not opened")),
        Some(_) => Err(parser.broken("expected && or ||")),
    }
}

/// Reads a condition from left to right.
struct Parser<'a> {
    /// All of it.
    text: &'a str,
    /// What is not yet read.
    rest: &'a str,
    /// How many topics were read.
    topics: usize,
    /// How many parentheses are open.
    depth: usize,
}

impl Parser<'_> {
    /// Operands and the operators between them.
    fn expression(&mut self) -> Result<(), Broken> {
        self.operand()?;
        while self.takes("&&") || self.takes("||") {
            self.operand()?;
        }
        Ok(())
    }

    /// A test or an expression in parentheses, perhaps negated.
    fn operand(&mut self) -> Result<(), Broken> {
        while self.takes("!") {}
        if !self.takes("(") {
            return self.test();
        }
        self.depth += 1;
        // The recursion is as deep as the parentheses.
        if self.depth > DEEPEST {
            return Err(self.broken("more than 16 parentheses in one another"));
        }
        self.expression()?;
        self.depth -= 1;
        if self.takes(")") { Ok(()) } else { Err(self.broken("expected && or || or )")) }
    }

    /// Whether one is subscribed to a topic.
    fn test(&mut self) -> Result<(), Broken> {
        if !self.takes("'") {
            return Err(self.broken("expected a topic in single quotes"));
        }
        let end = self.rest.find(|letter| !is_topic_letter(letter)).unwrap_or(self.rest.len());
        let (topic, rest) = self.rest.split_at(end);
        if topic.is_empty() {
            return Err(self.broken("expected the name of a topic"));
        }
        if self.topics == MOST_TOPICS {
            return Err(self.broken("more than 5 topics"));
        }
        self.topics += 1;
        self.rest = rest;
        // No white space belongs before the closing quote.
        let Some(rest) = rest.strip_prefix('\'') else {
            return Err(self.broken("expected a letter of a topic or the closing quote"));
        };
        self.rest = rest;
        if !self.takes_word("in") {
            return Err(self.broken("expected: in topics"));
        }
        if self.takes_word("topics") { Ok(()) } else { Err(self.broken("expected: topics")) }
    }

    /// The next letter that is not white space; the white space is skipped.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_ascii_start();
        self.rest.chars().next()
    }

    /// Reads this sign, if it comes next.
    fn takes(&mut self, sign: &str) -> bool {
        self.rest = self.rest.trim_ascii_start();
        let after = self.rest.strip_prefix(sign);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// Reads this word, if it comes next and ends there.
    fn takes_word(&mut self, word: &str) -> bool {
        self.rest = self.rest.trim_ascii_start();
        let after = self.rest.strip_prefix(word);
        let after =
            after.filter(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// Why this is no condition: what is wrong with what comes next.
    fn broken(&self, problem: &'static str) -> Broken {
        let read = self.text.len() - self.rest.len();
        let at = self.text.get(..read).map_or(0, |read| read.chars().count()) + 1;
        Broken { at, problem }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn conditions_are_read() {
        let good = |text: &str| assert_eq!(check(text), Ok(()), "{text}");
        good("'dogs' in topics");
        good("  'dogs'in   topics ");
        good("'a' in topics && 'b' in topics || 'c' in topics");
        good("'a' in topics && ('b' in topics || 'c' in topics)");
        good("!('a' in topics)");
        good("!!'a' in topics");
        good("'a-_.~%9' in topics");
        good(&["'t' in topics"; 5].join("||"));
        good(&format!("{}'a' in topics{}", "(".repeat(16), ")".repeat(16)));
        good(&format!("{}'a' in topics", "!".repeat(4000)));
    }

    #[test]
    fn what_is_no_condition_is_told_where() {
        let bad = |text: &str, problem: &str| {
            let broken = check(text).expect_err(text);
            assert_eq!(broken.to_string(), problem, "{text}");
        };
        bad("", "expected a topic in single quotes at character 1");
        bad("dogs", "expected a topic in single quotes at character 1");
        bad("\"dogs\" in topics", "expected a topic in single quotes at character 1");
        bad("'' in topics", "expected the name of a topic at character 2");
        bad("'/topics/dogs' in topics", "expected the name of a topic at character 2");
        bad(
            "'do gs' in topics",
            "expected a letter of a topic or the closing quote at character 4",
        );
        bad("'dogs", "expected a letter of a topic or the closing quote at character 6");
        bad("'dogs'", "expected: in topics at character 7");
        bad("'dogs' in", "expected: topics at character 10");
        bad("'dogs' in topicsx", "expected: topics at character 11");
        bad("'dogs' intopics", "expected: in topics at character 8");
        bad("'dogs' in topics &", "expected && or || at character 18");
        bad("'dogs' in topics &&", "expected a topic in single quotes at character 20");
        bad("'dogs' in topics 'cats' in topics", "expected && or || at character 18");
        bad("('dogs' in topics", "expected && or || or ) at character 18");
        bad("'dogs' in topics)", "a parenthesis that was not opened at character 17");
        bad("()", "expected a topic in single quotes at character 2");
        // Characters are counted, not bytes.
        bad("'dogs' in topics \u{1f436}", "expected && or || at character 18");
        bad("'\u{1f436}' in topics", "expected the name of a topic at character 2");
        bad(
            "'dogs\u{e9}' in topics",
            "expected a letter of a topic or the closing quote at character 6",
        );
        bad(&["'t' in topics"; 6].join("||"), "more than 5 topics at character 77");
        let deep = format!("{}'a' in topics{}", "(".repeat(17), ")".repeat(17));
        bad(&deep, "more than 16 parentheses in one another at character 18");
        bad(&" ".repeat(5001), "more than 5000 bytes at character 5001");
    }

    proptest! {
        #[test]
        fn never_panics(text in ".*", parts in proptest::collection::vec(
            prop::sample::select(&["'", "a", "in", "topics", " ", "(", ")", "!", "&&", "||", "\u{e9}"][..]),
            0..60,
        )) {
            let _ = check(&text);
            let _ = check(&parts.concat());
        }
    }
}
