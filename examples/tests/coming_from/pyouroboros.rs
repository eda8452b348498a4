//! The page for users of PyOuroboros.

use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use flow_core::blocking::{
    BIND_AUTO, DEFAULT_READ, Error, FEventQueue, FEventType, FRCT_LINGER, FRCT_RESCNTL, FRCT_RETRANSMIT,
    Flow, FlowProperties, FlowSet, LoadBalancePolicy, MAX_EVENTS, QOS_BEST_EFFORT, QOS_DATA, QOS_RAW,
    QOS_RAW_NO_ERRORS, QOS_VIDEO, QOS_VOICE, QoSSpec, bind_process, bind_program, create_name, destroy_name,
    flow_accept, flow_alloc, flow_join, interrupt, list_names, unbind_process, unbind_program, use_provider,
};
use flow_core::qos::{Bound, Order, PeerTimeout, Tolerance};
use flow_core::{DEFAULT_ALLOC_TIMEOUT, EventKind, EventQueue, LocalLayer, Name, Provider, QosSpec};
use futures::StreamExt;

type Failure = Box<dyn core::error::Error + Send + Sync>;
type Outcome = Result<(), Failure>;

#[test]
fn the_page_is_compiled() {
    let page = include_str!("../../../docs/coming-from/pyouroboros.md");
    super::compiled(page, include_str!("pyouroboros.rs"), 110);
}

/// Whoever accepts gets what is asked of any name of the process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let layer = LocalLayer::new();
    let _the_first_chooses = use_provider(Arc::new(layer.attach()));
    bind_process(std::process::id(), "name").unwrap();
    alone
}

mod script {
    use flow_core::blocking::*;

    pub(super) fn client() -> Result<(), Error> {
        let f = flow_alloc("oecho", None, None)?;
        f.writeline("Hello, PyOuroboros!")?;
        println!("{}", f.readline()?);
        f.dealloc()
    }

    pub(super) fn server() -> Result<(), Error> {
        bind_process(std::process::id(), "oecho")?; // or from outside, see below
        loop {
            let f = flow_accept(None)?;
            let line = f.readline()?;
            f.writeline(&line)?;
            f.dealloc()?;
        }
    }
}

#[test]
fn its_example() -> Outcome {
    let _alone = alone();
    bind_process(std::process::id(), "oecho")?;
    let server = thread::spawn(script::server);
    for _ in 0..3 {
        script::client()?;
    }
    while !server.is_finished() {
        interrupt(); // Ctrl-C
        thread::yield_now();
    }
    assert_eq!(server.join().unwrap(), Err(Error::KeyboardInterrupt));
    unbind_process(std::process::id(), "oecho")?;
    Ok(())
}

#[test]
fn its_example_with_a_set() -> Outcome {
    let _alone = alone();
    let client = thread::spawn(|| {
        let f = flow_alloc("name", None, None)?;
        f.writeline("Hello, PyOuroboros!")?;
        f.readline()
    });
    let f = flow_accept(None)?;
    let mut fq = FEventQueue::new();
    let fs = FlowSet::of([&f])?;
    fs.wait(&mut fq, None)?;
    for (f2, t) in &mut fq {
        if t == FEventType::FlowPkt {
            let line = f2.readline()?;
            f2.writeline(&line)?;
        }
    }
    assert_eq!(client.join().unwrap()?, "Hello, PyOuroboros!");
    Ok(())
}

fn pair() -> Result<(Flow, Flow), Error> {
    let theirs = thread::spawn(|| flow_accept(None));
    Ok((flow_alloc("name", None, None)?, theirs.join().unwrap()?))
}

#[test]
fn its_readme() -> Outcome {
    let _alone = alone();
    let ((f, theirs), count) = (pair()?, 3);
    let (buf, line) = (b"hello", "Grüße");
    f.write(&buf[..count])?;
    assert_eq!(
        (theirs.read(2)?, theirs.read(2)?),
        (b"he".to_vec(), b"l".to_vec())
    );
    f.writeline(line)?;
    assert_eq!(theirs.readline()?, line);
    theirs.write(&buf[..count])?;
    assert_eq!(f.read(count)?, b"hel");
    assert_eq!(
        f.read(DEFAULT_READ)?,
        b"",
        "the end of a packet that filled the buffer"
    );
    assert_eq!(theirs.name()?.as_str(), "name");

    f.set_snd_timeout(Some(Duration::from_millis(500)))?;
    f.set_rcv_timeout(Some(Duration::from_secs(1)))?;
    assert_eq!(f.get_snd_timeout()?, Some(Duration::from_millis(500)));
    assert_eq!(f.get_rcv_timeout()?, Some(Duration::from_secs(1)));
    assert_eq!(f.get_qos()?.loss(), Tolerance::NONE);
    assert_eq!((f.get_rx_queue_len()?, f.get_tx_queue_len()?), (0, 0));
    let flags = FlowProperties::READ_WRITE | FlowProperties::NON_BLOCKING;
    assert_eq!(f.get_flags()?.to_bits(), 0o20002);
    f.set_flags(flags)?;
    assert_eq!(
        FlowProperties::from_bits(0o23002),
        Some(flags | FlowProperties::NO_PARTIAL_WRITE)
    );
    f.set_frct_flags(FRCT_RESCNTL | FRCT_LINGER)?;
    assert_eq!(f.get_frct_flags()?, FRCT_RETRANSMIT | FRCT_RESCNTL | FRCT_LINGER);
    assert_eq!(flow_accept(Some(Duration::ZERO)), Err(Error::TimeoutError));

    let (f1, f2, f3) = (pair()?, pair()?, pair()?);
    let ((f1, _f1), (f2, _f2), (f3, other)) = (f1, f2, f3);
    let set = FlowSet::of([&f1, &f2, &f3])?;
    set.add(&f)?;
    assert!(set.has(&f));
    set.remove(&f);
    let mut fq = FEventQueue::new();
    other.writeline("hello")?;
    set.wait(&mut fq, Some(Duration::from_secs(1)))?;
    for (f, t) in &mut fq {
        assert!(f == f3 && t == FEventType::FlowPkt);
    }
    set.zero();
    set.listen()?;
    set.destroy();
    assert!(!FlowSet::new().has(&f));
    f.dealloc()?;
    Ok(())
}

/// What is on the page and was not run yet: some of it waits, and some changes the machine.
fn calls(f: &Flow, set: &FlowSet, mut fq: FEventQueue, f1: &Flow, pid: u32) -> Result<(), Error> {
    let qos = QoSSpec::RAW
        .with_loss(Tolerance::NONE)
        .with_timeout(PeerTimeout::from_millis(60_000));
    flow_alloc("name", Some(qos), None)?;
    flow_alloc("name", None, Some(DEFAULT_ALLOC_TIMEOUT))?;
    {
        let f = flow_alloc("dst", None, None)?;
    }
    flow_join("name", None, None)?;
    f.alloc("name", None, None)?;
    f.alloc("name", Some(qos), None)?;
    f.accept(None)?;
    f.join("chat", None, None)?;
    assert!(matches!(
        set.wait(&mut fq, Some(Duration::from_secs(1))),
        Err(Error::TimeoutError)
    ));
    set.wait(&mut fq, None)?;
    assert!(f == f1);
    f.interrupter().interrupt();
    set.interrupter();

    create_name("my_name", LoadBalancePolicy::RoundRobin)?;
    create_name("my_name", LoadBalancePolicy::SpillOver)?;
    for name in list_names()? {
        println!("{}", name.name);
    }
    for name in list_names()? {
        let bound = (name.balance, name.programs, name.processes, name.accepters);
    }
    bind_program("/usr/bin/my_server", "my_name", BIND_AUTO, &[])?;
    unbind_program("/usr/bin/my_server", "my_name")?;
    bind_process(pid, "my_name")?;
    unbind_process(pid, "my_name")?;
    destroy_name("my_name")?;
    Ok(())
}

#[test]
fn qualities_are_those_of_the_c_library() {
    let presets = [
        QOS_RAW,
        QOS_RAW_NO_ERRORS,
        QOS_BEST_EFFORT,
        QOS_VIDEO,
        QOS_VOICE,
        QOS_DATA,
    ];
    assert_eq!(presets, QosSpec::PRESETS.map(|(_, qos)| qos));
    let changed = [
        QOS_RAW.with_delay(Bound::from_millis(20)),
        QOS_RAW.with_bandwidth(64_000),
        QOS_RAW.with_availability(3),
        QOS_RAW.with_loss(Tolerance::NONE),
        QOS_RAW.with_ber(Tolerance::NONE),
        QOS_RAW.with_order(Order::Kept),
        QOS_RAW.with_max_gap(Bound::from_millis(100)),
        QOS_RAW.with_timeout(PeerTimeout::OFF),
    ];
    assert!(changed.iter().all(|qos| *qos != QOS_RAW));
    assert_eq!(QOS_RAW.with_delay(Bound::NONE), QOS_RAW);
}

#[test]
fn numbers_are_those_of_the_c_library() {
    let flags = [
        FlowProperties::READ_ONLY,
        FlowProperties::WRITE_ONLY,
        FlowProperties::READ_WRITE,
        FlowProperties::DOWN,
        FlowProperties::NON_BLOCKING_READ,
        FlowProperties::NON_BLOCKING_WRITE,
        FlowProperties::NON_BLOCKING,
        FlowProperties::NO_PARTIAL_READ,
        FlowProperties::NO_PARTIAL_WRITE,
    ];
    let bits = [0, 1, 2, 4, 0o1000, 0o2000, 0o3000, 0o10000, 0o20000];
    assert_eq!(flags.map(FlowProperties::to_bits), bits);
    let events = [
        FEventType::FlowPkt,
        FEventType::FlowDown,
        FEventType::FlowUp,
        FEventType::FlowAlloc,
        FEventType::FlowDealloc,
        FEventType::FlowPeer,
        FEventType::FlowDropped,
    ];
    assert_eq!(events.map(FEventType::to_bits), [1, 2, 4, 8, 16, 32, 64]);
    assert_eq!(MAX_EVENTS, 1024);
}

/// Every exception by its name.
fn exception(error: &Error) -> &'static str {
    match error {
        Error::FlowAllocatedException => "FlowAllocatedException",
        Error::FlowNotAllocatedException => "FlowNotAllocatedException",
        Error::FlowDownException(_) => "FlowDownException",
        Error::FlowPermissionException(_) => "FlowPermissionException",
        Error::FlowException(_) => "FlowException",
        Error::FlowDeallocWarning(_) => "FlowDeallocWarning",
        Error::FlowEventError(_) => "FlowEventError",
        Error::TimeoutError => "TimeoutError",
        Error::ValueError(_) => "ValueError",
        Error::MemoryError(_) => "MemoryError",
        Error::BlockingIOError(_) => "BlockingIOError",
        Error::IrmError(_) => "IrmError",
        Error::NameError(_) => "NameError",
        Error::BindError(_) => "BindError",
        Error::KeyboardInterrupt => "KeyboardInterrupt",
        _ => "none of PyOuroboros",
    }
}

#[test]
fn exceptions() {
    let _alone = alone();
    let error = Flow::new().read(1).unwrap_err();
    assert_eq!(exception(&error), "FlowNotAllocatedException");
    assert_eq!(error.errno().unwrap().number(), 1000);
}

#[tokio::test]
async fn the_same_async() -> Outcome {
    let (layer, name) = (LocalLayer::new(), Name::new("name")?);
    let provider: Arc<dyn Provider> = Arc::new(layer.attach());
    provider.bind(&name)?;
    let asked = async {
        let mut flow = provider.alloc(&name, QosSpec::DATA, None).await?;
        flow.write("hello").await?;
        flow.write_line("hello").await?;
        assert_eq!(flow.read_line().await?, "hello");
        flow.dealloc().await?;
        Ok::<_, Failure>(())
    };
    let accepted = async {
        let mut flow = provider.accept(None).await?;
        let mut buffer = [0; 9];
        assert_eq!(flow.read(&mut buffer).await?, 5);
        assert_eq!(flow.read_packet().await?, "hello\n");
        flow.write_line("hello").await?;
        while let Some(packet) = flow.next().await {
            println!("{packet:?}");
        }
        Ok(())
    };
    tokio::try_join!(asked, accepted)?;

    let mut events = EventQueue::new();
    events.accept_from(Arc::clone(&provider));
    let asking = provider.alloc(&name, QosSpec::DATA, None);
    let (flow, event) = tokio::join!(asking, events.wait());
    assert_eq!(event.kind, EventKind::Alloc);
    let accepted = events.take_flow(event.flow).ok_or("taken")?;
    assert_eq!(events.set().flows(), [accepted.id()]);
    events.wait_timeout(Duration::from_secs(1)).await;
    let layer = Name::new("chat")?;
    provider.join(&layer, None).await?;
    Ok(())
}
