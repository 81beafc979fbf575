//! The descriptions that this crate embeds, made by
//! `cargo run --release -p pogo-circuits --example pin -- [CEREMONY.srs]`.

use pogo_protocol::cell::peak::Scaled;
use pogo_protocol::product::Orientation;
use pogo_protocol::statement::CircuitKind;

use crate::Setup;

/// The description of a circuit of the preset `minimal` under an SRS.
pub(crate) fn description(setup: Setup, circuit: CircuitKind) -> &'static [u8] {
    macro_rules! pinned {
        ($name:literal) => {
            match setup {
                Setup::Ceremony => include_bytes!(concat!("../pinned/", $name, "-ceremony.vk")).as_slice(),
                Setup::Development => include_bytes!(concat!("../pinned/", $name, "-development.vk")).as_slice(),
            }
        };
    }
    match circuit {
        CircuitKind::Round => pinned!("minimal"),
        CircuitKind::Link => pinned!("link"),
        CircuitKind::Input => pinned!("input"),
        CircuitKind::Weights => pinned!("weights"),
        CircuitKind::Product(Orientation::Forward) => pinned!("forward"),
        CircuitKind::Product(Orientation::Gradient) => pinned!("gradient"),
        CircuitKind::Product(Orientation::Backward) => pinned!("backward"),
        CircuitKind::Activation => pinned!("activation"),
        CircuitKind::Loss => pinned!("loss"),
        CircuitKind::Errors => pinned!("errors"),
        CircuitKind::Momentum => pinned!("momentum"),
        CircuitKind::Blank => pinned!("blank"),
        CircuitKind::Peak(Scaled::Weights) => pinned!("weights-peak"),
        CircuitKind::Peak(Scaled::Activations) => pinned!("activation-peak"),
        CircuitKind::Peak(Scaled::Errors) => pinned!("errors-peak"),
        CircuitKind::Peak(Scaled::Losses) => pinned!("loss-peak"),
        CircuitKind::Scale => pinned!("scale"),
        CircuitKind::Init => pinned!("init"),
        CircuitKind::Vacant => pinned!("vacant"),
        CircuitKind::Disclosure => pinned!("disclosure"),
        CircuitKind::Dequantize => pinned!("dequantize"),
    }
}
