//! An installation comes up, is hurt, and leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::{path::Path, time::Instant};

use chasqui_bus::{BusRole, Log, log::Append, subject};
use chasqui_events::{
    CommandId, Envelope, Text, Timestamp, UserId,
    identity::{IdentityEvent, ProfileChanged},
};
use chasqui_testkit::{Layout, LossyNats, Role, Rule, Stack};

#[tokio::test(flavor = "multi_thread")]
async fn it_comes_up_and_leaves_nothing_behind() {
    let started = Instant::now();
    let stack = Stack::with(Layout::empty().process("auth", &[Role::Auth])).await;
    println!("up after {:?}", started.elapsed());
    let pids = [stack.nats().pid(), stack.mongo().pid(), stack.redis().pid(), stack.process("auth").pid()];
    let folder = stack.folder();

    stack.process("auth").kill_9();
    assert!(stack.process("auth").readiness().await.is_err());
    stack.process("auth").restart().await;
    stack.process("auth").stop().await;
    stack.process("auth").restart().await;
    drop(stack);
    for pid in pids.into_iter().map(Option::unwrap) {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid} is still there");
    }
    assert!(!folder.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lossy_proxy_loses_what_it_is_told_to() {
    let stack = Stack::with(Layout::empty()).await;
    let lossy = LossyNats::start(stack.nats().address()).await;
    let mut settings =
        chasqui_bus::NatsSettings::new(lossy.url(), BusRole::Auth, stack.nats_password("auth"));
    settings.retry_for = std::time::Duration::from_millis(2_500);
    let log = Log::new(chasqui_bus::Bus::connect(settings).await.unwrap());
    let user = UserId::new(Timestamp(1), [1; 10]);
    let fact = |n: u8| Envelope {
        id: CommandId::new(Timestamp(i64::from(n)), [n; 10]),
        at: Timestamp(1),
        by: user,
        basis: 0,
        import: None,
        event: IdentityEvent::ProfileChanged(ProfileChanged { display_name: Text::EMPTY }),
    };
    let subject = subject::ident_user(user);
    let first = log.append(Append::fact(subject.clone(), &fact(1))).await.unwrap();
    assert!(lossy.lost().is_empty() && !first.duplicate);

    lossy.lose(Rule::next(1, |message| message.holds("\"stream\":\"IDENT\"")));
    let second = log.append(Append::fact(subject.clone(), &fact(2))).await.unwrap();
    assert_eq!(lossy.lost().len(), 1, "the acknowledgement was lost, and the append found that out");
    assert_eq!(second.seq, first.seq + 1);
    lossy.cut_all();
    let third = log.append(Append::fact(subject, &fact(3))).await.unwrap();
    assert_eq!(third.seq, second.seq + 1, "a cut connection comes back by itself");
}
