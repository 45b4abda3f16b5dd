//! `reveille token`: a user token.

use std::process::ExitCode;

use super::peer::PeerArgs;
use super::say;
use crate::config::Environment;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The user it speaks for
    #[arg(long)]
    user: String,
    /// How long it is good for: a number with s, m, h or d
    #[arg(long, default_value = "1d", value_parser = seconds)]
    ttl: u32,
    #[command(flatten)]
    peer: PeerArgs,
}

pub(super) async fn run(args: Args, environment: &Environment) -> anyhow::Result<ExitCode> {
    let peer = args.peer.resolve(environment)?;
    let token = peer.user_token(&args.user, args.ttl).await?;
    // The token alone on standard output, so that a script can take it.
    say::line(&token.token)?;
    say::remark(format!("for {}, until {}", say::plain(&token.user), token.expires_at));
    Ok(ExitCode::SUCCESS)
}

/// Reads `90s`, `15m`, `12h`, `1d`; a bare number is seconds.
pub(super) fn seconds(text: &str) -> Result<u32, String> {
    let (number, factor) = match text.char_indices().last() {
        Some((end, 's')) => (&text[..end], 1),
        Some((end, 'm')) => (&text[..end], 60),
        Some((end, 'h')) => (&text[..end], 3_600),
        Some((end, 'd')) => (&text[..end], 86_400),
        Some((_, letter)) if letter.is_alphabetic() => {
            return Err("end it with s, m, h or d".to_owned());
        }
        Some(_) | None => (text, 1),
    };
    let number: u32 = number.parse().map_err(|_| "write a number, such as 12h".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "that is too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_people_write_them() {
        for (text, expected) in [
            ("90", Ok(90)),
            ("90s", Ok(90)),
            ("15m", Ok(900)),
            ("12h", Ok(43_200)),
            ("1d", Ok(86_400)),
            ("0", Ok(0)),
            ("1w", Err("end it with s, m, h or d")),
            ("h", Err("write a number, such as 12h")),
            ("", Err("write a number, such as 12h")),
            ("-1d", Err("write a number, such as 12h")),
            ("1dd", Err("write a number, such as 12h")),
            ("99999d", Err("that is too long")),
        ] {
            assert_eq!(seconds(text), expected.map_err(str::to_owned), "{text}");
        }
    }
}
