//! The zone that servers of zones have in these tests, and what they are asked of it.

use super::dns::Question;

pub(crate) const NAME: &str = "tinwire.test";
/// Answered as soon as the server is there.
pub(crate) const READY: &str = "ready.tinwire.test";
pub(crate) const FILE: &str = "$TTL 60
@ IN SOA ns hostmaster 1 3600 600 86400 60
@ IN NS ns
ns IN A 127.0.0.1
ready IN A 192.0.2.1
www IN A 192.0.2.7
www IN AAAA 2001:db8::7
mail IN MX 10 www
";
pub(crate) const QUESTIONS: [Question; 5] = [
    Question::new("www.tinwire.test.", "A", "NOERROR"),
    Question::new("www.tinwire.test.", "AAAA", "NOERROR"),
    Question::new("none.tinwire.test.", "TXT", "NXDOMAIN"),
    Question::new("mail.tinwire.test.", "MX", "NOERROR"),
    Question::new("www.example.", "A", "REFUSED"),
];
/// Those of the zone.
pub(crate) const OWN: &[Question] = QUESTIONS.split_at(4).0;
