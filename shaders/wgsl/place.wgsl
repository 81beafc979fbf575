// Position of a leaf of a tensor in its tree; rows of leaves stand `row_stride` apart.
fn position(leaf: u32) -> u32 {
    return leaf / p.leaves_per_row * p.row_stride + leaf % p.leaves_per_row;
}
