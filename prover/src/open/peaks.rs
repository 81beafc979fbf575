//! The values that need the exponents: which row a peak or a scale cell opens.

use pogo_protocol::cell::peak::Scaled;
use pogo_protocol::fixed::{LEAF, logit, softmax_row};
use pogo_protocol::merkle::Layout;
use pogo_protocol::model::State;
use pogo_protocol::trace::{TensorId, Trace, TraceLayout};

use crate::commit::leaf_of;

/// The leaf of a tensor that holds its largest weight.
pub(super) fn of_weights(layout: &Layout, state: &State, tensor: usize) -> usize {
    let largest = |&leaf: &usize| {
        let weights = leaf_of(&state.weights[tensor], layout.place(leaf).index_in_tensor);
        weights.iter().map(|weight| weight.unsigned_abs()).max()
    };
    layout.leaves_of(tensor).max_by_key(largest).unwrap_or(0)
}

/// The row and column of tiles with the largest value that has an exponent; `e` is the exponent of the last sums. None where
/// the trace lacks the tensor.
pub(super) fn of_trace(
    layout: &TraceLayout,
    trace: &Trace,
    scaled: Scaled,
    tensor: usize,
    e: i32,
    classes: usize,
) -> Option<(usize, usize)> {
    let id = match scaled {
        Scaled::Weights => return None,
        Scaled::Activations => TensorId::Sums(tensor - 1),
        Scaled::Errors => TensorId::Below(tensor + 1),
        Scaled::Losses => TensorId::Sums(tensor),
    };
    let placed = layout.tensor(id)?;
    let largest = |&(row, column): &(usize, usize)| -> Option<u32> {
        let words = trace.words_row(placed, row, column, placed.slabs - 1)?;
        let magnitude = |words: &[i32]| words.iter().map(|word| word.unsigned_abs()).max();
        match scaled {
            Scaled::Weights => None,
            Scaled::Activations => magnitude(&words.map(|word| word.max(0))),
            Scaled::Errors => {
                let inputs = trace.bytes_row(layout.tensor(TensorId::Inputs(tensor + 1))?, row, column)?;
                let active = |j: usize| if inputs[j] > 0 { words[j] } else { 0 };
                magnitude(&std::array::from_fn::<i32, LEAF, _>(active))
            }
            Scaled::Losses => {
                let logits: Vec<i32> = words[..classes.min(LEAF)].iter().map(|&sum| logit(sum, e)).collect();
                let mut errors = vec![0; logits.len()];
                softmax_row(&logits, usize::from(*trace.labels().get(row)?), &mut errors);
                magnitude(&errors)
            }
        }
    };
    let rows = (0..placed.rows).flat_map(|row| (0..placed.tile_cols()).map(move |column| (row, column)));
    rows.max_by_key(largest)
}
