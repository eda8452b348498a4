//! What changes while a node runs.

use super::*;
use crate::rt::Incoming;
use crate::{Route, RouteDialect, Subnet, Version};

fn side(name: &str, own: u16) -> InterfaceConfig {
    let name = InterfaceName::new(name).unwrap();
    InterfaceConfig::new(name, address(own), Netmask::new(8).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_detached_interface_gives_up_its_link_and_another_takes_its_place() {
    let node = Node::spawn(Config::default());
    let (left, mut right) = pair();
    let id = node.attach(side("A", 1), left).unwrap();
    node.load_routes("5000 A", RouteDialect::Libcsp2).unwrap();
    let lost = node.ping(address(2), PingConfig::default().timeout(SHORT)).await;
    assert_eq!(lost, Err(PingError::Timeout { limit: SHORT }));
    assert_eq!(node.detach(id).unwrap().tx, 1);
    assert_eq!(node.detach(id), None);
    let ping = timeout(LONG, right.next()).await.unwrap();
    assert!(matches!(ping, Some(Ok(Incoming::Packet(_)))), "{ping:?}");
    let end = timeout(LONG, right.next()).await.unwrap();
    assert!(end.is_none_or(|item| item.is_err()), "the other end is gone");
    assert_eq!(node.save_routes(), "");
    timeout(LONG, node.flush(LONG)).await.unwrap().unwrap();

    let (left, right) = pair();
    let other = Node::spawn(Config::default());
    other.attach(side("B", 2), right).unwrap();
    let again = node.attach(side("A", 1), left).unwrap();
    assert_ne!(id, again);
    node.ping(address(2), PingConfig::default()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn routes_and_addresses_of_a_running_node_can_be_changed() {
    let node = Node::spawn(Config::default());
    let (left, right) = pair();
    let other = Node::spawn(Config::default());
    other
        .attach(side("B", 2).alias(address(5000)).default_route(), right)
        .unwrap();
    let id = node.attach(side("A", 1), left).unwrap();
    let far = |limit| node.ping(address(5000), PingConfig::default().timeout(limit));
    assert!(
        matches!(far(SHORT).await, Err(PingError::Send(_))),
        "no way there"
    );
    let wrong = node
        .load_routes("5000 A, 5000 NOPE", RouteDialect::Libcsp2)
        .unwrap_err();
    let CallError::Refused(wrong) = wrong else {
        panic!("{wrong}")
    };
    assert_eq!((wrong.entry, wrong.offset), (2, 13));
    node.load_routes("5000 A 2", RouteDialect::Libcsp2).unwrap();
    far(LONG).await.unwrap();
    assert_eq!(
        (node.save_routes().as_str(), node.routes().len()),
        ("5000 A 2", 1)
    );
    let subnet = Subnet::new(Version::V2, address(5000), Netmask::new(14).unwrap()).unwrap();
    assert!(node.remove_route(subnet, id));
    node.mark_defaults();
    far(LONG).await.unwrap();
    node.set_address(id, address(3), Netmask::new(8).unwrap())
        .unwrap();
    node.add_route(Route {
        subnet,
        interface: id,
        via: None,
    })
    .unwrap();
    far(LONG).await.unwrap();
    node.clear_routes();
    assert_eq!(node.save_routes(), "");
}
