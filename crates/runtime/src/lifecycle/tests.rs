use std::time::Duration;

use tokio::sync::oneshot;

use super::*;

const LONG: Duration = Duration::from_mins(10);

/// The end of a life that is to end soon; far less than `LONG`, far more than it takes.
async fn ended(life: Lifecycle) -> Result<(), Failure> {
    tokio::time::timeout(Duration::from_mins(1), life.wait()).await.expect("the process ends")
}

#[tokio::test]
async fn a_critical_task_that_ends_early_brings_the_process_down_with_its_name() {
    let life = Lifecycle::new(LONG);
    let (tasks, shutdown) = (life.tasks(), life.shutdown());
    tasks.spawn_critical("edge", async move {
        shutdown.requested().await;
        Ok(())
    });
    tasks.spawn_critical("projector.2", async { Ok(()) });
    let failure = ended(life).await.unwrap_err();
    assert_eq!(failure.to_string(), "the task `projector.2` ended before it was asked to");
}

#[tokio::test]
async fn an_error_and_a_panic_are_told_with_their_reason() {
    let life = Lifecycle::new(LONG);
    life.tasks().spawn_critical("a", async { Err(anyhow::anyhow!("no route").context("connecting")) });
    assert_eq!(ended(life).await.unwrap_err().reason, "failed: connecting: no route");

    let life = Lifecycle::new(LONG);
    life.tasks().spawn_critical("a", async { panic!("index {} is wrong", 7) });
    assert_eq!(ended(life).await.unwrap_err().reason, "panicked: index 7 is wrong");
}

#[tokio::test]
async fn an_error_while_draining_is_a_failure_too() {
    let life = Lifecycle::new(LONG);
    let shutdown = life.shutdown();
    life.tasks().spawn_critical("edge", async move {
        shutdown.requested().await;
        anyhow::bail!("a client was not told")
    });
    life.shutdown().request();
    assert_eq!(ended(life).await.unwrap_err().reason, "failed: a client was not told");
}

#[tokio::test]
async fn a_task_that_is_not_critical_may_end_and_fail() {
    let life = Lifecycle::new(LONG);
    let (tasks, shutdown) = (life.tasks(), life.shutdown());
    let (failed, seen) = oneshot::channel();
    tasks.spawn("once", async { Ok(()) });
    tasks.spawn("warming", async move {
        let _ = failed.send(());
        anyhow::bail!("cold")
    });
    seen.await.unwrap();
    assert!(!shutdown.is_requested());
    shutdown.request();
    assert_eq!(ended(life).await, Ok(()));
}

#[tokio::test]
async fn the_soft_stage_waits_for_work_and_the_hard_stage_follows_it() {
    let life = Lifecycle::new(LONG);
    let (tasks, shutdown) = (life.tasks(), life.shutdown());
    let (finish, finished) = oneshot::channel::<()>();
    tasks.spawn_critical("work", async move { Ok(finished.await?) });
    let service = shutdown.clone();
    tasks.spawn_service("ops", async move {
        service.forced().await;
        Ok(())
    });
    shutdown.request();
    let mut ending = tokio::spawn(ended(life));
    tokio::select! {
        biased;
        _ = &mut ending => panic!("ended before the work was finished"),
        () = tokio::task::yield_now() => {}
    }
    assert!(!shutdown.is_forced());
    finish.send(()).unwrap();
    assert_eq!(ending.await.unwrap(), Ok(()));
    assert!(shutdown.is_forced());
}

#[tokio::test]
async fn work_that_does_not_stop_is_cut_off_after_the_grace_and_named() {
    let life = Lifecycle::new(Duration::from_millis(20));
    let shutdown = life.shutdown();
    life.tasks().spawn_critical("deaf", std::future::pending());
    shutdown.request();
    let failure = ended(life).await.unwrap_err();
    assert_eq!(failure.to_string(), "the task `deaf` was cut off: it did not stop when told to");
    assert!(shutdown.is_forced());
}

#[tokio::test]
async fn forcing_does_not_wait_for_the_grace() {
    let life = Lifecycle::new(LONG);
    life.tasks().spawn("deaf", std::future::pending());
    life.shutdown().force();
    assert_eq!(ended(life).await, Ok(()), "without waiting for the grace of ten minutes");
}

#[tokio::test]
async fn the_first_signal_asks_and_the_second_forces() {
    let shutdown = Shutdown::new();
    let listening = listen_for_signals(shutdown.clone()).unwrap();
    let send = || {
        std::process::Command::new("kill").args(["-TERM", &std::process::id().to_string()]).status().unwrap()
    };
    assert!(send().success());
    shutdown.requested().await;
    assert!(!shutdown.is_forced());
    assert!(send().success());
    shutdown.forced().await;
    listening.await.unwrap();
}
