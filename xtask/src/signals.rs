//! Ctrl-C, a closed terminal, a supervisor: the first asks to stop in order, the second stops at once.

use std::process;
use std::thread;

use chasqui_backends::Interrupt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Starts listening; the interrupt is triggered by the first signal.
pub(crate) fn listen() -> Interrupt {
    let interrupt = Interrupt::default();
    let heard = interrupt.clone();
    match Signals::new([SIGINT, SIGTERM, SIGHUP]) {
        Ok(mut signals) => {
            thread::spawn(move || {
                for _signal in signals.forever() {
                    if heard.is_triggered() {
                        // The kernel kills our children when we go.
                        process::exit(130);
                    }
                    heard.trigger();
                }
            });
        }
        Err(error) => eprintln!("warning: cannot listen to Ctrl-C ({error}); it will stop without order"),
    }
    interrupt
}
