use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// A flow is the name it was asked by and the number of the accept that made it.
type Flow = (Name, u64);

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn registry() -> Registry<Flow> {
    Registry::new(3, 2)
}

fn ask(registry: &mut Registry<Flow>, text: &str) -> RequestId {
    registry
        .request(&name(text), QosSpec::RAW, Asker::Here)
        .unwrap()
        .0
}

/// Comes for what is offered to `accept`.
fn take(registry: &mut Registry<Flow>, accept: AcceptId) -> Option<Name> {
    let make = |name: &Name, _, _: &Asker| ((name.clone(), accept.0), name.clone());
    let (name, wakers) = registry.poll_accept(accept, Waker::noop(), make)?;
    wakers.wake();
    Some(name)
}

/// Which accept a request got.
fn answer(registry: &mut Registry<Flow>, request: RequestId) -> Option<Result<AcceptId, AllocError>> {
    let result = registry.poll_request(request, Waker::noop())?;
    Some(result.map(|(_, accept)| AcceptId(accept)))
}

fn listen(registry: &mut Registry<Flow>, provider: ProviderId) -> AcceptId {
    registry.listen(provider).0
}

fn bound(registry: &mut Registry<Flow>, texts: &[&str]) -> ProviderId {
    let provider = registry.attach();
    for text in texts {
        registry.bind(provider, &name(text)).unwrap().wake();
    }
    provider
}

#[test]
fn a_request_waits_for_an_accept_and_an_accept_for_a_request() {
    let mut registry = registry();
    let provider = bound(&mut registry, &["a"]);
    let request = ask(&mut registry, "a");
    let accept = listen(&mut registry, provider);
    assert_eq!(answer(&mut registry, request), None, "offered is not accepted");
    assert_eq!(take(&mut registry, accept), Some(name("a")));
    assert_eq!(answer(&mut registry, request), Some(Ok(accept)));

    let accept = listen(&mut registry, provider);
    assert_eq!(take(&mut registry, accept), None);
    let request = ask(&mut registry, "a");
    assert_eq!(take(&mut registry, accept), Some(name("a")));
    assert_eq!(answer(&mut registry, request), Some(Ok(accept)));
    assert_eq!((registry.requests.len(), registry.accepts.len()), (0, 0));
}

#[test]
fn accepts_take_turns_in_the_order_of_their_calls() {
    let mut registry = registry();
    let providers = [(); 2].map(|()| bound(&mut registry, &["a"]));
    let accepts = [0, 1].map(|at| listen(&mut registry, providers[at]));
    let requests = [(); 2].map(|()| ask(&mut registry, "a"));
    let late = listen(&mut registry, providers[0]);
    assert_eq!(take(&mut registry, late), None, "nobody overtakes");
    // the second comes for its request first, and gets the one that was offered to it
    assert!(take(&mut registry, accepts[1]).is_some() && take(&mut registry, accepts[0]).is_some());
    assert_eq!(
        requests.map(|request| answer(&mut registry, request)),
        accepts.map(|accept| Some(Ok(accept)))
    );
}

#[test]
fn an_accept_gets_the_oldest_request_for_any_of_its_names_and_for_no_other() {
    let mut registry = registry();
    let both = bound(&mut registry, &["a", "b"]);
    let only_c = bound(&mut registry, &["c"]);
    for text in ["b", "a", "c"] {
        ask(&mut registry, text);
    }
    let got = [both, both, both, only_c].map(|provider| {
        let accept = listen(&mut registry, provider);
        take(&mut registry, accept)
    });
    assert_eq!(got, [Some(name("b")), Some(name("a")), None, Some(name("c"))]);
}

#[test]
fn a_dropped_accept_loses_no_request() {
    let mut registry = registry();
    let provider = bound(&mut registry, &["a"]);
    let accepts = [(); 2].map(|()| listen(&mut registry, provider));
    let request = ask(&mut registry, "a");
    registry.leave(accepts[0]).wake();
    assert!(take(&mut registry, accepts[1]).is_some());
    assert_eq!(answer(&mut registry, request), Some(Ok(accepts[1])));
}

#[test]
fn a_dropped_request_leaves_no_ghost_and_its_accept_keeps_its_place() {
    let mut registry = registry();
    let provider = bound(&mut registry, &["a"]);
    let accept = listen(&mut registry, provider);
    let gone = ask(&mut registry, "a");
    assert!(matches!(registry.withdraw(gone), Withdrawn::Waiting(_)));
    assert_eq!(take(&mut registry, accept), None);
    let request = ask(&mut registry, "a");
    assert!(take(&mut registry, accept).is_some());
    assert_eq!(answer(&mut registry, request), Some(Ok(accept)));
}

#[test]
fn a_request_dropped_while_offered_makes_the_accept_free_for_the_next_that_waits() {
    let mut registry = registry();
    let provider = bound(&mut registry, &["a"]);
    let accept = listen(&mut registry, provider);
    let (first, second) = (ask(&mut registry, "a"), ask(&mut registry, "a"));
    let _ = registry.withdraw(first);
    assert!(take(&mut registry, accept).is_some());
    assert_eq!(answer(&mut registry, second), Some(Ok(accept)));
}

#[test]
fn a_request_dropped_after_it_was_accepted_gives_the_flow_back() {
    let mut registry = registry();
    let provider = bound(&mut registry, &["a"]);
    let accept = listen(&mut registry, provider);
    let request = ask(&mut registry, "a");
    take(&mut registry, accept).unwrap();
    assert!(matches!(registry.withdraw(request), Withdrawn::Accepted((_, number)) if number == accept.0));
    assert!(matches!(registry.withdraw(request), Withdrawn::Nothing));
}

#[test]
fn names_and_requests_are_bounded() {
    let mut registry = registry();
    let provider = bound(&mut registry, &["a", "b", "c"]);
    assert_eq!(
        registry.bind(provider, &name("d")).unwrap_err(),
        BindError::Full { max: 3 }
    );
    registry.bind(provider, &name("a")).unwrap().wake();
    for _ in 0..2 {
        ask(&mut registry, "a");
    }
    let busy = registry
        .request(&name("a"), QosSpec::RAW, Asker::Here)
        .unwrap_err();
    let expected = AllocError::Busy {
        name: name("a"),
        max: 2,
    };
    assert_eq!(busy, expected);
    ask(&mut registry, "b");
}

#[test]
fn who_waits_for_a_name_that_nobody_has_any_more_is_told() {
    let mut registry = registry();
    let (one, other) = (bound(&mut registry, &["a"]), bound(&mut registry, &["a"]));
    let offered = listen(&mut registry, one);
    let request = ask(&mut registry, "a");
    registry.detach(one).wake();
    assert_eq!(take(&mut registry, offered), None, "it is not bound any more");
    assert_eq!(answer(&mut registry, request), None, "another is bound");
    assert!(registry.unbind(other, &name("b")).is_none());
    registry.unbind(other, &name("a")).unwrap().wake();
    let unknown = AllocError::UnknownName { name: name("a") };
    assert_eq!(answer(&mut registry, request), Some(Err(unknown.clone())));
    assert_eq!(
        registry
            .request(&name("a"), QosSpec::RAW, Asker::Here)
            .unwrap_err(),
        unknown
    );
}

#[test]
fn a_request_offered_to_who_lets_go_of_the_name_goes_to_another() {
    let mut registry = registry();
    let (one, other) = (bound(&mut registry, &["a"]), bound(&mut registry, &["a"]));
    let (first, second) = (listen(&mut registry, one), listen(&mut registry, other));
    let request = ask(&mut registry, "a");
    registry.unbind(one, &name("a")).unwrap().wake();
    assert_eq!(take(&mut registry, first), None);
    assert!(take(&mut registry, second).is_some());
    assert_eq!(answer(&mut registry, request), Some(Ok(second)));
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Ask(usize),
    Withdraw(usize),
    Listen(usize),
    Leave(usize),
    Take(usize),
    Bind(usize, usize),
    Unbind(usize, usize),
}

fn any_op() -> impl Strategy<Value = Op> {
    (0..7u8, 0..8usize, 0..3usize).prop_map(|(kind, a, b)| match kind {
        0 => Op::Ask(b),
        1 => Op::Withdraw(a),
        2 => Op::Listen(b),
        3 => Op::Leave(a),
        4 => Op::Take(a),
        5 => Op::Bind(a % 3, b),
        _ => Op::Unbind(a % 3, b),
    })
}

proptest! {
    #[test]
    fn whatever_happens_no_accept_waits_beside_a_request_it_could_take(
        ops in proptest::collection::vec(any_op(), 0..60),
    ) {
        let mut registry = Registry::<Flow>::new(3, 100);
        let names = ["a", "b", "c"].map(name);
        let providers = [(); 3].map(|()| registry.attach());
        let (mut requests, mut accepts) = (Vec::new(), Vec::new());
        for op in ops {
            match op {
                Op::Ask(at) => {
                    let asked = registry.request(&names[at], QosSpec::RAW, Asker::Here);
                    requests.extend(asked.map(|(id, _)| id));
                }
                Op::Withdraw(at) => drop(requests.get(at).map(|id| registry.withdraw(*id))),
                Op::Listen(at) => accepts.push(listen(&mut registry, providers[at])),
                Op::Leave(at) => drop(accepts.get(at).map(|id| registry.leave(*id))),
                Op::Take(at) => drop(accepts.get(at).map(|id| take(&mut registry, *id))),
                Op::Bind(at, of) => registry.bind(providers[at], &names[of]).unwrap().wake(),
                Op::Unbind(at, of) => drop(registry.unbind(providers[at], &names[of])),
            }
            for (id, request) in &registry.requests {
                let bound = registry.names.get(&request.name);
                match request.state {
                    State::Offered(accept) => {
                        let accept = &registry.accepts[&accept];
                        prop_assert_eq!(accept.offered, Some(*id));
                        prop_assert!(bound.unwrap().contains(&accept.provider));
                    }
                    State::Waiting => {
                        prop_assert!(bound.is_some(), "a request for a name that nobody has");
                        let idle = registry.accepts.values().find(|accept| {
                            accept.offered.is_none() && bound.unwrap().contains(&accept.provider)
                        });
                        prop_assert!(idle.is_none());
                    }
                    State::Done(_) => {}
                }
            }
            let offered = registry.accepts.values().filter_map(|accept| accept.offered);
            for request in offered {
                prop_assert!(matches!(registry.requests[&request].state, State::Offered(_)));
            }
        }
    }
}
