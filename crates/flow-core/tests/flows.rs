//! Providers side by side.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

use core::time::Duration;

use flow_core::{AcceptError, AllocError, BindError, Flows, JoinError, LocalLayer, QosSpec};

fn two() -> Flows {
    Flows::new()
        .with("local", LocalLayer::new().attach())
        .with("sim", LocalLayer::new().attach())
}

#[tokio::test]
async fn the_scheme_chooses_the_provider_and_a_bare_name_is_local() {
    let flows = two();
    flows.bind("echo").unwrap();
    flows.bind("sim:echo").unwrap();
    for (asked, bound) in [("echo", "echo"), ("local:echo", "echo"), ("sim:echo", "sim:echo")] {
        let (asked, accepted) = tokio::join!(flows.alloc(asked, QosSpec::RAW, None), flows.accept(None));
        assert_eq!(asked.unwrap().name().as_str(), bound);
        assert_eq!(accepted.unwrap().name().as_str(), bound);
    }
    assert!(flows.unbind("local:echo"));
    assert!(!flows.unbind("echo"));
    let unknown = flows.alloc("echo", QosSpec::RAW, None).await.unwrap_err();
    assert!(matches!(unknown, AllocError::UnknownName { .. }), "{unknown}");
}

#[tokio::test]
async fn an_address_that_nobody_takes_says_who_there_is() {
    let flows = two();
    let reason = "nobody takes \"csp:\" here; known: local, sim";
    let refused = flows.alloc("csp:5:20", QosSpec::RAW, None).await.unwrap_err();
    assert_eq!(
        refused,
        AllocError::Address {
            reason: reason.into()
        }
    );
    let refused = flows.bind("csp:5:20").unwrap_err();
    assert_eq!(
        refused,
        BindError::Address {
            reason: reason.into()
        }
    );
    let refused = flows.join("csp:5:20", None).await.unwrap_err();
    assert_eq!(
        refused,
        JoinError::Address {
            reason: reason.into()
        }
    );
    assert!(!flows.unbind("csp:5:20"));
    let refused = flows.bind("").unwrap_err();
    assert!(refused.to_string().contains("at least one byte"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn who_accepts_hears_of_what_is_bound_later_at_another_provider() {
    let flows = two();
    assert_eq!(flows.accept(None).await.unwrap_err(), AcceptError::NoName);
    flows.bind("echo").unwrap();
    let late = flows.accept(Some(Duration::from_secs(1))).await.unwrap_err();
    assert_eq!(late, AcceptError::TimedOut);
    let asked = async {
        tokio::task::yield_now().await; // who accepts waits by now
        flows.bind("sim:other").unwrap();
        flows.alloc("sim:other", QosSpec::RAW, None).await
    };
    let (accepted, asked) = tokio::join!(flows.accept(None), asked);
    assert_eq!(accepted.unwrap().name(), asked.unwrap().name());
}

#[tokio::test]
async fn providers_take_turns_when_all_have_requests() {
    let flows = two();
    flows.bind("echo").unwrap();
    flows.bind("sim:echo").unwrap();
    let ask = |address: &'static str| flows.alloc(address, QosSpec::RAW, None);
    let accept = async {
        let mut names = Vec::new();
        for _ in 0..4 {
            names.push(flows.accept(None).await.unwrap().name().to_string());
        }
        names
    };
    let (names, ..) = tokio::join!(accept, ask("echo"), ask("echo"), ask("sim:echo"), ask("sim:echo"));
    let sims = names.iter().filter(|name| *name == "sim:echo").count();
    assert_eq!(sims, 2, "{names:?}");
    assert_ne!(names.first(), names.get(1), "they take turns: {names:?}");
}

#[tokio::test]
async fn dropping_who_accepts_loses_no_request() {
    let flows = two();
    flows.bind("sim:echo").unwrap();
    let asked = flows.alloc("sim:echo", QosSpec::RAW, None);
    let accepted = async {
        for _ in 0..10 {
            let none = flows.accept(Some(Duration::ZERO)).await;
            if none.is_ok() {
                return none;
            }
        }
        flows.accept(None).await
    };
    let (asked, accepted) = tokio::join!(asked, accepted);
    asked.unwrap();
    accepted.unwrap();
}
