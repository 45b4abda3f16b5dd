//! APNs over a wire played by hand: half-closed sockets, silence, and the bytes of the headers.

use std::time::Duration;

use domain::Outcome;
use providers::apns::{Expiration, Push};
use tokio::io::AsyncWriteExt;

use crate::rig::{check_all_accepted, check_refused, soon};
use crate::wire::{END_STREAM, GOAWAY, PING, Peer, Wire, now, push, voip};

/// Answers one request on the next connection.
async fn serve_one(wire: &Wire) -> Peer {
    let mut peer = wire.accept().await;
    let request = peer.request().await;
    peer.accept(&request).await;
    peer
}

/// How a service goes away in the middle of a request.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    /// It closes its half of the TCP connection and reads on, without TLS's word for it.
    Fin,
    /// It says GOAWAY and processes the request no more.
    GoAway,
    /// It closes its half of the TLS connection properly and reads on.
    Notify,
}

/// Leaves after a request was read; says whether the client hung up.
async fn leave(peer: &mut Peer, leaving: Leaving) {
    match leaving {
        Leaving::Fin => {
            let (tcp, _) = peer.io.get_mut();
            tcp.shutdown().await.expect("closes its half");
        }
        // Last stream 0, NO_ERROR, nothing said.
        Leaving::GoAway => peer.send(GOAWAY, 0, 0, &[0; 8]).await,
        Leaving::Notify => peer.io.shutdown().await.expect("closes its half"),
    }
}

#[tokio::test]
async fn a_service_that_leaves_without_an_answer_is_asked_again_elsewhere() {
    for leaving in [Leaving::Fin, Leaving::GoAway, Leaving::Notify] {
        let wire = Wire::start().await;
        let client = wire.client();
        let service = async {
            let mut peer = serve_one(&wire).await;
            peer.request().await;
            leave(&mut peer, leaving).await;
            // The client hangs up although this end reads on.
            let (again, ()) = tokio::join!(serve_one(&wire), peer.wait_closed());
            again
        };
        let pushes = async {
            let (first, second) = (push(), push());
            let first = client.send(&first, now(), || true).await;
            [first, client.send(&second, now(), || true).await]
        };
        let (_peer, exchanges) = soon(async { tokio::join!(service, pushes) }).await;
        check_all_accepted(&exchanges);
    }
}

#[tokio::test]
async fn a_service_that_leaves_twice_leaves_the_outcome_unknown() {
    let wire = Wire::start().await;
    let client = wire.client();
    let service = async {
        let mut peer = serve_one(&wire).await;
        for _ in 0..2 {
            peer.request().await;
            leave(&mut peer, Leaving::Notify).await;
            peer = wire.accept().await;
        }
    };
    let pushes = async {
        check_all_accepted(&[client.send(&push(), now(), || true).await]);
        client.send(&push(), now(), || true).await
    };
    let exchange = soon(async {
        tokio::select! {
            exchange = pushes => exchange,
            () = service => panic!("a third connection was opened"),
        }
    })
    .await;
    assert!(matches!(exchange.outcome, Outcome::Unknown { .. }), "{:?}", exchange.outcome);
}

#[tokio::test]
async fn a_ring_whose_answer_was_lost_is_not_sent_again() {
    let wire = Wire::start().await;
    let client = wire.client();
    let service = async {
        let mut peer = serve_one(&wire).await;
        peer.request().await;
        leave(&mut peer, Leaving::Fin).await;
        wire.accept().await
    };
    let pushes = async {
        check_all_accepted(&[client.send(&push(), now(), || true).await]);
        client.send(&voip(), now(), || true).await
    };
    let exchange = soon(async {
        tokio::select! {
            exchange = pushes => exchange,
            _again = service => panic!("a second connection was opened"),
        }
    })
    .await;
    assert!(matches!(exchange.outcome, Outcome::Unknown { .. }), "{:?}", exchange.outcome);
}

/// An idle connection that died is found out before the next push needs it.
#[tokio::test]
async fn an_idle_connection_that_answers_no_ping_is_closed() {
    let mut wire = Wire::start().await;
    wire.config.keep_alive_idle = Duration::from_millis(50);
    wire.config.keep_alive_timeout = Duration::from_millis(50);
    let client = wire.client();
    let (push_1, push_2) = (push(), push());
    let (exchange, mut peer) = tokio::join!(client.send(&push_1, now(), || true), serve_one(&wire));
    check_all_accepted(&[exchange]);
    let mut pings = 0;
    while let Some(frame) = peer.frame().await {
        pings += u32::from(frame.kind == PING && frame.flags & END_STREAM == 0);
    }
    assert_eq!(pings, 1);
    let (exchange, _peer) = tokio::join!(client.send(&push_2, now(), || true), serve_one(&wire));
    check_all_accepted(&[exchange]);
}

/// An idle connection that answers its PINGs stays, and is asked again and again.
#[tokio::test]
async fn an_idle_connection_that_answers_its_pings_stays() {
    let mut wire = Wire::start().await;
    wire.config.keep_alive_idle = Duration::from_millis(20);
    let client = wire.client();
    let (push_1, push_2) = (push(), push());
    let (exchange, mut peer) = tokio::join!(client.send(&push_1, now(), || true), serve_one(&wire));
    check_all_accepted(&[exchange]);
    let mut pings = 0;
    while pings < 3 {
        let frame = peer.frame().await.expect("the client has not closed");
        if frame.kind == PING && frame.flags & END_STREAM == 0 {
            peer.pong(&frame).await;
            pings += 1;
        }
    }
    let again = async {
        let request = peer.request().await;
        peer.accept(&request).await;
    };
    let (exchange, ()) = tokio::join!(client.send(&push_2, now(), || true), again);
    check_all_accepted(&[exchange]);
}

/// Whoever takes connections and says nothing is as good as not there.
#[tokio::test]
async fn a_service_that_says_nothing_is_902() {
    let mut wire = Wire::start().await;
    wire.config.connect_timeout = Duration::from_millis(100);
    let client = wire.client();
    // The backlog takes the connection; nobody ever answers the ClientHello.
    check_refused(&soon(client.send(&push(), now(), || true)).await, 902, "TimedOut");
}

/// Apple's advice on HPACK ("Sending notification requests to APNs"): the path and the
/// authorization never enter the table; id, expiration and collapse id enter it once, for their
/// names, and are then spelled out without growing it; the rest is indexed.
#[tokio::test]
async fn headers_are_compressed_as_apple_advises() {
    let wire = Wire::start().await;
    let client = wire.client();
    let blocks = async {
        let mut peer = wire.accept().await;
        let mut blocks = Vec::new();
        for _ in 0..3 {
            let request = peer.request().await;
            peer.accept(&request).await;
            blocks.push(fields(&request.block));
        }
        (peer, blocks)
    };
    let pushes = async {
        for (second, id) in [(1, None), (2, Some("a")), (3, Some("b"))] {
            let expiration = Expiration::At(now().plus(Duration::from_secs(second)));
            let push = Push { collapse_id: id.map(str::to_owned), expiration, ..push() };
            check_all_accepted(&[client.send(&push, now(), || true).await]);
        }
    };
    let ((_peer, blocks), ()) = soon(async { tokio::join!(blocks, pushes) }).await;
    for block in &blocks {
        let of = |name| block.iter().filter(|field| field.1 == name).collect::<Vec<_>>();
        assert_eq!(of(PATH), [&(Form::Plain, PATH)], "{block:?}");
        assert_eq!(of(AUTHORIZATION), [&(Form::Never, AUTHORIZATION)], "{block:?}");
    }
    let count = |block: usize| {
        let block: &[(Form, u64)] = &blocks[block];
        let of = |form| block.iter().filter(|field| field.0 == form).count();
        (of(Form::Added), of(Form::Never), of(Form::Plain), of(Form::Indexed))
    };
    // Method and scheme are in the static table; the authority and five of Apple's enter ours.
    assert_eq!(count(0), (6, 1, 1, 2));
    // The collapse id enters it when it first comes; authorization, id and expiration do not.
    assert_eq!(count(1), (1, 3, 1, 6));
    assert_eq!(count(2), (0, 4, 1, 6));
}

/// The static table's entries for the names (RFC 7541, appendix A).
const PATH: u64 = 4;
/// As above.
const AUTHORIZATION: u64 = 23;

/// How a field is represented (RFC 7541, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Literal, and put into the table.
    Added,
    /// From a table, name and value.
    Indexed,
    /// Literal, and never to be put into any table.
    Never,
    /// Literal.
    Plain,
}

/// The fields of a header block: their form and the table's entry for the name, 0 if it is
/// spelled out.
fn fields(mut block: &[u8]) -> Vec<(Form, u64)> {
    let mut fields = Vec::new();
    while let Some(first) = block.first() {
        let (form, bits) = match first {
            0x80.. => (Form::Indexed, 7),
            0x40.. => (Form::Added, 6),
            0x20.. => {
                integer(&mut block, 5); // the table's size
                continue;
            }
            0x10.. => (Form::Never, 4),
            _ => (Form::Plain, 4),
        };
        let name = integer(&mut block, bits);
        if form != Form::Indexed {
            if name == 0 {
                string(&mut block);
            }
            string(&mut block);
        }
        fields.push((form, name));
    }
    fields
}

/// An integer with a prefix of so many bits (RFC 7541, section 5.1).
fn integer(block: &mut &[u8], bits: u32) -> u64 {
    let mut next = || {
        let (first, rest) = block.split_first().expect("a whole block");
        *block = rest;
        u64::from(*first)
    };
    let most = (1 << bits) - 1;
    let mut value = next() & most;
    let mut shift = 0;
    while value >= most {
        let byte = next();
        value += (byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

/// Skips a string.
fn string(block: &mut &[u8]) {
    let length = usize::try_from(integer(block, 7)).expect("short");
    *block = &block[length..];
}
