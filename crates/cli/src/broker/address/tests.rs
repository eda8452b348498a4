use super::*;

fn refused(word: &str) -> String {
    word.parse::<Target>().unwrap_err().text()
}

#[test]
fn a_nats_address_has_its_port_and_its_options() {
    let target: Target = "nats://a,[::1]:5222/dns.tap?stream=DNS&create=true&batch=run&window=1000&timeout=3"
        .parse()
        .unwrap();
    assert_eq!(target.hosts, ["a:4222", "[::1]:5222"]);
    assert_eq!(target.name, "dns.tap");
    assert_eq!(target.stream.as_deref(), Some("DNS"));
    assert!(target.create);
    assert_eq!(target.grain, Grain::Run);
    assert_eq!(target.window, 1000);
    assert_eq!(target.timeout, Duration::from_secs(3));
}

#[test]
fn a_frame_is_a_message_unless_otherwise_asked() {
    let target: Target = "kafka://broker/dnstap".parse().unwrap();
    assert_eq!(target.hosts, ["broker:9092"]);
    assert_eq!(target.grain, Grain::Frame);
    assert!(!target.create);
}

#[test]
fn secrets_are_decoded_and_never_shown() {
    let target: Target = "kafka://ann:s%40cret@broker/t?sasl=scram-sha-512"
        .parse()
        .unwrap();
    assert_eq!(target.login.user.as_deref(), Some("ann"));
    assert_eq!(target.login.password.as_deref(), Some("s@cret"));
    assert_eq!(target.to_string(), "kafka://broker:9092/t");
    assert!(!format!("{target:?}").contains("cret"));
}

#[test]
fn a_wrong_part_is_named_with_what_is_right() {
    assert!(refused("nats://h").contains("names no subject"));
    assert!(refused("nats://h").contains("nats://HOST:4222/SUBJECT"));
    assert!(refused("nats://h/a.*").contains("\"a.*\" is no subject"));
    assert!(refused("nats://h/a..b").contains("is no subject"));
    assert!(refused("kafka://h/..").contains("is no topic"));
    assert!(refused("kafka://h:x/t").contains("is no host and port"));
    assert!(refused("kafka:///t").contains("is no host and port"));
    assert!(refused("nats://h/s?batch=all").contains("batch=all"));
    assert!(refused("nats://h/s?window=0").contains("window=0"));
    assert!(refused("kafka://h/t?stream=x").contains("no option \"stream\""));
    assert!(refused("kafka://h/t?stream=x").contains("partitions"));
    assert!(refused("nats://h/s%2").contains("is no name"));
}

#[test]
fn parts_that_do_not_go_together_are_refused() {
    assert!(refused("nats://h/s?cert=a.pem").contains("cert and key go together"));
    assert!(refused("nats://h/s?passfile=p").contains("passfile needs a user"));
    assert!(refused("nats://u:p@h/s?passfile=p").contains("in passfile"));
    assert!(refused("nats://u:p@h/s?token=t").contains("one of user, token and creds"));
}

#[test]
fn who_names_a_certificate_wants_tls() {
    let target: Target = "kafka://h/t?ca=ca.pem".parse().unwrap();
    assert!(target.tls.required);
    let target: Target = "kafka://h/t?drain=7".parse().unwrap();
    assert!(!target.tls.required);
    assert_eq!(target.drain, Duration::from_secs(7));
}
