//! Panics as values: wgpu panics where a wait finds its device lost, or where a device fails as it opens,
//! and neither is a fault of the program.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// What `call` gives, or the message of its panic, which is not printed. Panics of other threads
/// are, as ever. `call` must leave nothing half done that is used after a panic.
pub(super) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !CATCHING.get() {
                hook(info);
            }
        }));
    });
    CATCHING.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(call));
    CATCHING.set(false);
    result.map_err(|payload| message(&*payload))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message_in_one_line_and_a_value_stays() {
        assert_eq!(caught(|| 7), Ok(7));
        assert_eq!(caught(|| panic!("plain")), Err::<(), _>("plain".to_owned()));
        let lines = "Error in Device::poll:\n    Parent device is lost\n".to_owned();
        assert_eq!(caught(|| panic!("{lines}")), Err::<(), _>("Error in Device::poll: Parent device is lost".into()));
        assert_eq!(caught(|| 8), Ok(8), "and the next call is as before");
    }
}
