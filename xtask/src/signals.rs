//! Ctrl-C, a closed terminal, a supervisor: the first asks to stop in order, the second stops at once.

use std::process;
use std::thread;
use std::time::{Duration, Instant};

use chasqui_backends::Interrupt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Signals this close to each other are one request: `timeout` and some terminals signal the process and its
/// group.
const ONE_REQUEST: Duration = Duration::from_millis(500);

/// Starts listening; the interrupt is triggered by the first signal.
pub(crate) fn listen() -> Interrupt {
    let interrupt = Interrupt::default();
    let heard = interrupt.clone();
    match Signals::new([SIGINT, SIGTERM, SIGHUP]) {
        Ok(mut signals) => {
            thread::spawn(move || {
                let mut first: Option<Instant> = None;
                for _signal in signals.forever() {
                    heard.trigger();
                    if first.get_or_insert_with(Instant::now).elapsed() > ONE_REQUEST {
                        chasqui_backends::kill_all();
                        process::exit(130);
                    }
                }
            });
        }
        Err(error) => eprintln!("warning: cannot listen to Ctrl-C ({error}); it will stop without order"),
    }
    interrupt
}
