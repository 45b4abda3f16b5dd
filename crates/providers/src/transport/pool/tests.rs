use http::HeaderMap;
use http::uri::PathAndQuery;
use proptest::prelude::*;
use sim::pki::Ca;
use sim::{ApnsOptions, ApnsSim, Devices};

use super::*;
use crate::Roots;
use crate::transport::{WhenLost, post, tls_config};

/// The pauses are none, the first, and doubles of it up to the longest; a refusal has no free try.
#[test]
fn pauses_double() {
    let seconds = Duration::from_secs;
    let reconnect = Reconnect { first: seconds(1), longest: seconds(60) };
    let pauses = |refused| -> Vec<_> {
        (1..10).map(|failures| reconnect.pause(failures, refused).as_secs()).collect()
    };
    assert_eq!(pauses(false), [0, 1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(pauses(true), [1, 1, 2, 4, 8, 16, 32, 60, 60]);
}

proptest! {
    #[test]
    fn a_pause_is_never_longer_than_the_longest(failures: u32, refused: bool, first: u64) {
        let longest = Duration::from_secs(60);
        let reconnect = Reconnect { first: Duration::from_millis(first), longest };
        prop_assert!(reconnect.pause(failures, refused) <= longest);
    }
}

/// Stream ids end; with fewer of them, this is how.
#[tokio::test]
async fn a_connection_that_has_carried_its_last_request_is_replaced() {
    let ca = Ca::generate("Test").expect("makes an authority");
    let service = ApnsSim::start(ApnsOptions::new(&ca, &Devices::new())).await.expect("listens");
    let config = Config::new(Roots::with_extra(ca.pem().as_bytes()).expect("a certificate"));
    let url = service.url().parse().expect("a URL");
    let endpoint = Endpoint::parse("test", &url, &config).expect("an endpoint");
    let authority = endpoint.authority.clone();
    let tls = tls_config(&config.roots, None).expect("TLS");
    let policy = Policy { cautious_start: usize::MAX, connections: 4, goaway_refuses: |_| false };
    let (timeouts, reconnect) = (Timeouts::from(&config), Reconnect::from(&config));
    let pool = Pool::of(endpoint, tls, timeouts, reconnect, policy, 3);

    let path = PathAndQuery::from_static("/3/device/00");
    for _ in 0..7 {
        let head = |_| post(&authority, &path, HeaderMap::new());
        let (reply, _) =
            pool.send(head, &Bytes::from_static(b"{}"), WhenLost::SendOnceMore, || true).await;
        // It is a stranger to the service, but it is answered.
        assert!(matches!(reply, Reply::Answered(answer) if answer.status == 403));
    }
    let connections: Vec<_> = service.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [1, 1, 1, 2, 2, 2, 3]);
}
