//! From flags to one open end of a conversation.

use can_link::address::LinkAddress;
use can_link::frame::{FdFlags, MAX_CLASSIC_LEN};
use can_link::{Id, StandardId};
use isotp::isotpserver::Client;
use isotp::{
    Address, AddressError, Backend, Choice, Config, DataLink, Duplex, FrameLength, IsoTp, NResult, OpenError,
    Padding, PaddingCheck, StreamError, TxDl,
};
use serde::Serialize;
use tinwire_sim::World;
use tinwire_sim::ecu::{FUNCTIONAL_ID, REQUEST_ID, RESPONSE_ID};

use crate::args::isotp::endpoint::{self, Addressing, Checked, Endpoint, LinkLayer, Timer, TxFilling};
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::links::{self, AnyLink, Opened};
use crate::multicall::Guise;
use crate::units;

/// Which end of the usual pair of identifiers we are where none are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Tester,
    Controller,
    /// A tester that speaks to all and hears nobody: -d may be missing.
    Broadcaster,
}

/// An open end of a conversation.
pub(super) struct Opening {
    pub(super) isotp: IsoTp<AnyLink>,
    pub(super) name: String,
    /// Bytes of our longest frame.
    frame_len: usize,
    /// The simulated devices, which live as long as the link.
    _world: Option<World>,
}

impl Opening {
    pub(super) fn trouble(&self, error: StreamError) -> Failure {
        trouble(error, &self.name, self.frame_len)
    }
}

/// The link that is named once, or configured.
pub(super) fn link(session: &Session, endpoint: &Endpoint, named: Option<&str>) -> Result<LinkAddress> {
    if let (Some(flag), Some(word)) = (&endpoint.link, named) {
        let message = format!("two links: {word}, and --link {flag}");
        return Err(Failure::new(Code::Usage, message));
    }
    links::named_or_configured(session, endpoint.link.as_deref().or(named))
}

/// Opens the link, or the kernel's own socket. `config` is what the verb asks for beside the endpoint's
/// flags.
pub(super) async fn open(
    session: &mut Session,
    endpoint: &Endpoint,
    named: Option<&str>,
    address: Address,
    config: Config,
) -> Result<Opening> {
    let link = link(session, endpoint, named)?;
    open_on(session, endpoint, &link, address, config).await
}

/// As [`open`], on a link that was looked up before.
pub(super) async fn open_on(
    session: &mut Session,
    endpoint: &Endpoint,
    link: &LinkAddress,
    address: Address,
    config: Config,
) -> Result<Opening> {
    let config = configure(session.guise, endpoint, config)?;
    let name = links::name(link);
    let mut world = None;
    let backend = backend(endpoint);
    let opening = async {
        if let (LinkAddress::IsotpServer(_), Backend::Auto) = (link, backend) {
            let client = Client::connect(&link.to_string()).await;
            return Ok(client.map_err(|error| links::trouble(error, &name))?.into());
        }
        let open_link = async |link: &LinkAddress| -> Result<AnyLink> {
            let opened = links::open(&session.door, &links::with_own_echo(link.clone())).await?;
            let Opened {
                link, world: held, ..
            } = opened;
            world = held;
            Ok(link)
        };
        isotp::open_with(link, address, config, backend, open_link).await
    };
    let isotp: IsoTp<AnyLink> = session.stop.cut(opening).await?;
    tell_choice(session, &name, isotp.choice(), endpoint.verbose)?;
    Ok(Opening {
        isotp,
        name,
        frame_len: match endpoint.link_layer {
            Some(LinkLayer::Fd { length, .. }) => length,
            Some(LinkLayer::Classic) | None => MAX_CLASSIC_LEN,
        },
        _world: world,
    })
}

/// Who is asked to do the work.
pub(super) const fn backend(endpoint: &Endpoint) -> Backend {
    match endpoint.backend {
        endpoint::Backend::Auto => Backend::Auto,
        endpoint::Backend::Kernel => Backend::Kernel,
        endpoint::Backend::User => Backend::User,
    }
}

/// Who does the work, and why: in JSON always, for people when they ask.
pub(super) fn tell_choice(session: &mut Session, link: &str, choice: &Choice, verbose: u8) -> Result {
    #[derive(Serialize)]
    struct Line<'a> {
        r#type: &'static str,
        link: &'a str,
        backend: String,
        why: Vec<String>,
        max_send: usize,
        max_receive: usize,
    }
    if session.output.is_json() {
        return session.output.json(&Line {
            r#type: "backend",
            link,
            backend: choice.worker().to_string(),
            why: choice.why().iter().map(ToString::to_string).collect(),
            max_send: choice.limits().max_send,
            max_receive: choice.limits().max_receive,
        });
    }
    if verbose > 0 {
        let limits = choice.limits();
        session.output.notice(format_args!(
            "{link}: backend {choice}; messages of up to {} bytes out, {} in",
            limits.max_send, limits.max_receive
        ));
    }
    Ok(())
}

/// The flags that say how frames look and how long things may take.
pub(super) fn configure(guise: Option<Guise>, endpoint: &Endpoint, mut config: Config) -> Result<Config> {
    let tx = endpoint.padding.map_or(TxFilling::Default, |filling| filling.tx);
    config = match tx {
        TxFilling::Byte(byte) => config.padding(Padding::filled(byte)),
        TxFilling::None => config.padding(Padding::none()),
        // The kernel's tools leave frames short unless they are told.
        TxFilling::Default if guise.is_some() => config.padding(Padding::none()),
        TxFilling::Default => config,
    };
    config = config.padding_check(padding_check(endpoint)?);
    if let Some(LinkLayer::Fd { length, flags }) = endpoint.link_layer {
        let tx_dl = TxDl::new(length)
            .ok_or_else(|| Failure::new(Code::Usage, format!("-L: frames of {length} bytes do not exist")))?;
        config = config.data_link(DataLink::Fd {
            tx_dl,
            flags: FdFlags::from_bits(flags),
        });
    }
    if endpoint.half_duplex {
        config = config.duplex(Duplex::Half);
    }
    for &(timer, time) in &endpoint.timers {
        config = match timer {
            Timer::As => config.n_as(time),
            Timer::Ar => config.n_ar(time),
            Timer::Bs => config.n_bs(time),
            Timer::Br => config.n_br(time),
            Timer::Cr => config.n_cr(time),
        };
    }
    Ok(config)
}

/// `-P`, with the byte of `-p`: a byte makes the tools expect full frames, else short ones.
fn padding_check(endpoint: &Endpoint) -> Result<PaddingCheck> {
    let Some(checked) = endpoint.check_padding else {
        return Ok(PaddingCheck::default());
    };
    let expected = endpoint.padding.and_then(|filling| filling.rx);
    let length = match expected {
        Some(_) => FrameLength::Padded,
        None => FrameLength::Shortest,
    };
    let check = PaddingCheck::default();
    match (checked, expected) {
        (Checked::Length, _) => Ok(check.length(length)),
        (Checked::Content, None) => {
            let message = "-P c needs to know what the other fills with";
            Err(Failure::new(Code::Usage, message).hint("-p :CC expects CC, and -p AA:CC also fills with AA"))
        }
        (Checked::Content, fill) => Ok(check.fill(fill)),
        (Checked::All, fill) => Ok(check.length(length).fill(fill)),
    }
}

/// The address that the flags describe.
pub(super) fn address(endpoint: &Endpoint, end: End) -> Result<Address> {
    let Some(mode) = endpoint.addressing else {
        let (tx, rx) = ids(endpoint, end)?;
        return match endpoint.extended {
            Some((target, source)) => checked(Address::extended(tx, rx, target, source)),
            None => checked(Address::normal(tx, rx)),
        };
    };
    match mode {
        Addressing::Normal11 | Addressing::Normal29 => {
            unused(endpoint, mode, &[Part::Ta, Part::Sa, Part::Ae, Part::X])?;
            let (tx, rx) = ids(endpoint, end)?;
            let is_long = mode == Addressing::Normal29;
            if [tx, rx]
                .into_iter()
                .any(|id| matches!(id, Id::Extended(_)) != is_long)
            {
                let (bits, digits) = if is_long { (29, 8) } else { (11, 3) };
                let message =
                    format!("--addressing: identifiers of {bits} bits are written with {digits} digits");
                return Err(Failure::new(Code::Usage, message));
            }
            checked(Address::normal(tx, rx))
        }
        Addressing::Extended => {
            unused(endpoint, mode, &[Part::Ae])?;
            let (tx, rx) = ids(endpoint, end)?;
            let (target, source) = match endpoint.extended {
                Some(bytes) => bytes,
                None => (
                    needed(endpoint, mode, Part::Ta)?,
                    needed(endpoint, mode, Part::Sa)?,
                ),
            };
            checked(Address::extended(tx, rx, target, source))
        }
        Addressing::Mixed11 => {
            unused(endpoint, mode, &[Part::Ta, Part::Sa])?;
            let extension = match endpoint.extended {
                Some((byte, same)) if byte == same => byte,
                _ => needed(endpoint, mode, Part::Ae)?,
            };
            let (tx, rx) = ids(endpoint, end)?;
            match (tx, rx) {
                (Id::Standard(tx), Id::Standard(rx)) => checked(Address::mixed(tx, rx, extension)),
                _ => Err(Failure::new(
                    Code::Usage,
                    "--addressing mixed11: identifiers have 11 bits; mixed29 has 29",
                )),
            }
        }
        Addressing::NormalFixed => {
            unused(endpoint, mode, &[Part::Ids, Part::Ae, Part::X])?;
            let (target, source) = (
                needed(endpoint, mode, Part::Ta)?,
                needed(endpoint, mode, Part::Sa)?,
            );
            checked(Address::normal_fixed(target, source))
        }
        Addressing::Mixed29 => {
            unused(endpoint, mode, &[Part::Ids, Part::X])?;
            let (target, source) = (
                needed(endpoint, mode, Part::Ta)?,
                needed(endpoint, mode, Part::Sa)?,
            );
            checked(Address::mixed_fixed(
                target,
                source,
                needed(endpoint, mode, Part::Ae)?,
            ))
        }
    }
}

/// The address of the other end. The fixed modes have the nodes' addresses exchanged.
pub(super) fn reversed(endpoint: &Endpoint, address: Address) -> Result<Address> {
    let byte = |byte: Option<u8>| byte.unwrap_or_default();
    let (target, source) = (byte(endpoint.target_address), byte(endpoint.source_address));
    match endpoint.addressing {
        Some(Addressing::NormalFixed) => checked(Address::normal_fixed(source, target)),
        Some(Addressing::Mixed29) => checked(Address::mixed_fixed(source, target, byte(endpoint.extension))),
        _ => Ok(address.reversed()),
    }
}

/// What a mode of addressing is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Ids,
    Ta,
    Sa,
    Ae,
    X,
}

impl Part {
    const fn flag(self) -> &'static str {
        match self {
            Self::Ids => "-s and -d",
            Self::Ta => "--ta",
            Self::Sa => "--sa",
            Self::Ae => "--ae",
            Self::X => "-x",
        }
    }

    const fn is_given(self, endpoint: &Endpoint) -> bool {
        match self {
            Self::Ids => endpoint.source.is_some() || endpoint.destination.is_some(),
            Self::Ta => endpoint.target_address.is_some(),
            Self::Sa => endpoint.source_address.is_some(),
            Self::Ae => endpoint.extension.is_some(),
            Self::X => endpoint.extended.is_some(),
        }
    }
}

fn mode_name(mode: Addressing) -> String {
    use clap::ValueEnum as _;

    mode.to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned())
}

fn needed(endpoint: &Endpoint, mode: Addressing, part: Part) -> Result<u8> {
    let byte = match part {
        Part::Ta => endpoint.target_address,
        Part::Sa => endpoint.source_address,
        Part::Ae => endpoint.extension,
        Part::Ids | Part::X => None,
    };
    byte.ok_or_else(|| {
        let message = format!("--addressing {} needs {}", mode_name(mode), part.flag());
        Failure::new(Code::Usage, message)
    })
}

fn unused(endpoint: &Endpoint, mode: Addressing, parts: &[Part]) -> Result {
    match parts.iter().find(|part| part.is_given(endpoint)) {
        Some(part) => {
            let message = format!(
                "--addressing {} has no place for {}",
                mode_name(mode),
                part.flag()
            );
            Err(Failure::new(Code::Usage, message))
        }
        None => Ok(()),
    }
}

/// The identifiers of both directions.
fn ids(endpoint: &Endpoint, end: End) -> Result<(Id, Id)> {
    let standard = |raw| can_link::id::standard(u32::from(raw)).into();
    let (request, response): (Id, Id) = (standard(REQUEST_ID), standard(RESPONSE_ID));
    match (endpoint.source, endpoint.destination, end) {
        (Some(tx), Some(rx), _) => Ok((tx, rx)),
        (None, None, End::Tester) => Ok((request, response)),
        (None, None, End::Broadcaster) => Ok((standard(FUNCTIONAL_ID), response)),
        (None, None, End::Controller) => Ok((response, request)),
        // Nobody is listened to.
        (Some(tx), None, End::Broadcaster) => Ok((tx, nobody(tx))),
        _ => {
            let message = "-s and -d belong together: our identifier and the other's";
            Err(Failure::new(Code::Usage, message))
        }
    }
}

/// An identifier that is not `tx`, and the last one to win a bus.
fn nobody(tx: Id) -> Id {
    match tx {
        Id::Standard(StandardId::MAX) => StandardId::ZERO.into(),
        _ => StandardId::MAX.into(),
    }
}

fn checked(address: core::result::Result<Address, AddressError>) -> Result<Address> {
    address.map_err(|error| match error {
        AddressError::SameId(id) => {
            let message = format!("both directions have the identifier {}", units::id_text(id));
            Failure::new(Code::Usage, message).hint("-s is our identifier, -d the other's")
        }
        other => Failure::caused(Code::Usage, other),
    })
}

/// The same address, which also takes messages to all with this identifier.
pub(super) fn accepting(address: Address, functional: Option<Id>) -> Address {
    match functional {
        Some(id) => address.accepting_functional(id),
        None => address,
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Address(error) => Self::caused(Code::BadAddress, error),
            OpenError::Link(error) => Self::caused(Code::CannotOpen, error),
            other => Self::caused(Code::CannotOpen, other)
                .hint("--backend auto takes the kernel only where it can do all that is asked"),
        }
    }
}

/// A transfer that failed, or a link that did. Whoever does not answer the first frame is not there; whoever
/// falls silent later has broken off.
fn trouble(error: StreamError, link: &str, frame_len: usize) -> Failure {
    match error {
        StreamError::Link(error) => links::trouble(error, link),
        StreamError::NotSent(_) => Failure::caused(Code::Usage, error),
        StreamError::HungUp { .. } => Failure::caused(Code::Lost, error),
        StreamError::SendFailed {
            cause: Some(cause), ..
        } => links::not_sent(cause, link),
        // With a second frame gone there would be more than one frame's bytes. The kernel does not tell.
        StreamError::SendFailed { sent, .. }
            if error.n_result() == Some(NResult::TimeoutBs)
                && sent.is_none_or(|sent| usize::try_from(sent).is_ok_and(|sent| sent < frame_len)) =>
        {
            Failure::caused(Code::NoReply, error).context(link).hint(
                "nobody answered the first frame: is the other side there, are -s and -d the right way \
                 round?",
            )
        }
        _ => Failure::caused(Code::Protocol, error).context(link),
    }
}

#[cfg(test)]
mod tests;
