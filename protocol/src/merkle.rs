//! Merkle trees of fixed depth over numbered positions, and where a model's leaves sit in them.
//!
//! A node is `H(NODE, left, right)`; a position that holds no leaf is zero, and a subtree of
//! height `h` without leaves is `E_h` with `E_0 = 0`, `E_{h+1} = H(NODE, E_h, E_h)`. A leaf is
//! never duplicated. The fixed depth makes one circuit serve every model; only nodes above real
//! leaves are stored or hashed.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::Range;

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;

use crate::cell::peak::Rows;
use crate::fixed::LEAF;
use crate::leaf::tag;
use crate::poseidon;

/// Version of everything that is committed; part of [`Layout::element`].
pub const FORMAT_VERSION: u64 = 1;

/// One hash of the tree: `H(NODE, left, right)`.
pub fn node(left: Fr, right: Fr) -> Fr {
    poseidon::hash(Fr::from(tag::NODE), left, right)
}

/// `[E_0, .., E_depth]`: roots of subtrees without leaves.
pub fn empty_subtrees(depth: usize) -> Vec<Fr> {
    let mut empty = Vec::with_capacity(depth + 1);
    empty.push(Fr::ZERO);
    for height in 0..depth {
        empty.push(node(empty[height], empty[height]));
    }
    empty
}

/// A tree that keeps all nodes above its first `len` positions.
///
/// `levels[0]` are the leaves, `levels[h]` the nodes of height `h`; each level holds
/// `ceil(len / 2^h)` nodes, everything to the right of it is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    levels: Vec<Vec<Fr>>,
    empty: Vec<Fr>,
}

/// Siblings from the leaf to the root.
pub type Path = Vec<Fr>;

impl Tree {
    /// Builds the tree of `depth` over `leaves`; a gap inside `leaves` is zero.
    ///
    /// `hash_level` maps a level to the one above, so that a caller may compute it in parallel;
    /// [`hash_pairs`] is the plain definition.
    ///
    /// # Panics
    /// When there are more than `2^depth` leaves.
    pub fn new(depth: usize, leaves: Vec<Fr>, hash_level: impl Fn(&[Fr], Fr) -> Vec<Fr>) -> Self {
        assert!(leaves.len() <= 1 << depth, "{} leaves in a tree of depth {depth}", leaves.len());
        let empty = empty_subtrees(depth);
        let mut levels = Vec::with_capacity(depth + 1);
        levels.push(leaves);
        for height in 0..depth {
            let above = hash_level(&levels[height], empty[height]);
            levels.push(above);
        }
        Self { levels, empty }
    }

    /// Root of the tree.
    pub fn root(&self) -> Fr {
        let depth = self.levels.len() - 1;
        self.levels[depth].first().copied().unwrap_or(self.empty[depth])
    }

    /// Hash at `position`, zero where there is no leaf.
    pub fn leaf(&self, position: usize) -> Fr {
        self.at(0, position)
    }

    /// Puts another leaf at `position` and hashes the nodes above it anew.
    ///
    /// # Panics
    /// When `position` is not one of those that the tree keeps nodes above.
    pub fn replace(&mut self, position: usize, leaf: Fr) {
        self.levels[0][position] = leaf;
        for height in 1..self.levels.len() {
            let index = position >> height;
            self.levels[height][index] = node(self.at(height - 1, 2 * index), self.at(height - 1, 2 * index + 1));
        }
    }

    /// Siblings of `position` from the leaf level up.
    pub fn path(&self, position: usize) -> Path {
        (0..self.levels.len() - 1).map(|height| self.at(height, (position >> height) ^ 1)).collect()
    }

    fn at(&self, height: usize, index: usize) -> Fr {
        self.levels[height].get(index).copied().unwrap_or(self.empty[height])
    }
}

/// Nodes above `level`, an odd last node paired with `empty`. Pairs that hold nothing but `empty`
/// are not hashed again.
pub fn hash_pairs(level: &[Fr], empty: Fr) -> Vec<Fr> {
    let above_empty = node(empty, empty);
    level.chunks(2).map(|pair| parent(pair, empty, above_empty)).collect()
}

/// Parent of one pair of a level, see [`hash_pairs`].
pub fn parent(pair: &[Fr], empty: Fr, above_empty: Fr) -> Fr {
    let (left, right) = (pair[0], pair.get(1).copied().unwrap_or(empty));
    if left == empty && right == empty { above_empty } else { node(left, right) }
}

/// Root of a small tree over `leaves`, at most `2^depth` of them, from [`empty_subtrees`] of its
/// depth.
pub fn root(leaves: Vec<Fr>, empty: &[Fr]) -> Fr {
    let heights = empty.len().saturating_sub(1);
    let top = empty[..heights].iter().fold(leaves, |level, &empty| hash_pairs(&level, empty));
    top.first().or(empty.last()).copied().unwrap_or_default()
}

/// Root that `leaf` at `position` has with these siblings.
pub fn root_of(leaf: Fr, position: usize, path: &[Fr]) -> Fr {
    path.iter().enumerate().fold(leaf, |hash, (height, &sibling)| {
        if position >> height & 1 == 0 { node(hash, sibling) } else { node(sibling, hash) }
    })
}

/// Neighboring nodes of one height, whose subtrees were hashed elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nodes {
    /// Their height; leaves have 0.
    pub height: usize,
    /// Number of the first among the nodes of its height.
    pub first: usize,
    /// Their hashes.
    pub hashes: Vec<Fr>,
}

/// Root of the tree of `depth` that has these nodes and nothing beside them. No two subtrees overlap.
pub fn root_of_nodes(depth: usize, nodes: &[Nodes]) -> Fr {
    let empty = empty_subtrees(depth);
    let mut level: BTreeMap<usize, Fr> = BTreeMap::new();
    for (height, &empty) in empty.iter().enumerate() {
        for nodes in nodes.iter().filter(|nodes| nodes.height == height) {
            level.extend(nodes.hashes.iter().enumerate().map(|(i, &hash)| (nodes.first + i, hash)));
        }
        if height == depth {
            break;
        }
        let at = |index: usize| level.get(&index).copied().unwrap_or(empty);
        let parents: BTreeSet<usize> = level.keys().map(|index| index / 2).collect();
        level = parents.into_iter().map(|index| (index, node(at(2 * index), at(2 * index + 1)))).collect();
    }
    level.get(&0).copied().unwrap_or(empty[depth])
}

/// Where the leaves of a model sit: one after another, row by row; a tensor is an aligned subtree.
///
/// A tensor of `rows x cols` has `rows * ceil(cols / 64)` leaves; it takes as many positions, rounded up
/// to a power of two and aligned to that. The positions after its last leaf hold none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    depth: usize,
    tensors: Vec<Placed>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Placed {
    rows: usize,
    cols: usize,
    first_leaf: usize,
    offset: usize,
}

/// One leaf of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafPlace {
    /// Tensor, in model order.
    pub tensor: usize,
    /// Row (output unit) of the tensor.
    pub row: usize,
    /// Leaf of the row.
    pub column: usize,
    /// Leaf of the tensor, counted row by row.
    pub index_in_tensor: usize,
    /// Position in the tree.
    pub position: usize,
    /// Weights of this leaf that are not padding, `1 ..= 64`.
    pub valid: usize,
}

/// The model has more leaf positions than the trees of the preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the model takes {needed} leaf positions, trees of depth {depth} have {}", 1usize << depth)]
pub struct ModelTooLarge {
    /// Positions needed.
    pub needed: usize,
    /// Depth of the trees.
    pub depth: usize,
}

impl Layout {
    /// Places tensors of the given `(rows, cols)` in a tree of `depth`.
    ///
    /// # Errors
    /// [`ModelTooLarge`] when they do not fit.
    pub fn new(depth: usize, shapes: impl IntoIterator<Item = (usize, usize)>) -> Result<Self, ModelTooLarge> {
        let (mut tensors, mut end, mut first_leaf) = (Vec::new(), 0usize, 0);
        for (rows, cols) in shapes {
            let leaves = rows * cols.div_ceil(LEAF);
            let size = leaves.next_power_of_two();
            let offset = end.next_multiple_of(size);
            tensors.push(Placed { rows, cols, first_leaf, offset });
            first_leaf += leaves;
            end = offset + size;
        }
        if end > 1 << depth {
            return Err(ModelTooLarge { needed: end, depth });
        }
        Ok(Self { depth, tensors })
    }

    /// Depth of the trees.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Number of leaves that hold weights.
    pub fn leaf_count(&self) -> usize {
        self.tensors.last().map_or(0, |last| last.first_leaf + last.rows * last.leaves_per_row())
    }

    /// Positions up to the end of the last leaf.
    pub fn position_count(&self) -> usize {
        self.leaf_count().checked_sub(1).map_or(0, |last| self.place(last).position + 1)
    }

    /// Leaf numbers of a tensor.
    pub fn leaves_of(&self, tensor: usize) -> Range<usize> {
        let placed = &self.tensors[tensor];
        placed.first_leaf..placed.first_leaf + placed.rows * placed.leaves_per_row()
    }

    /// Where the leaves of a tensor stand, with the leaves of a row and the rows that it has.
    pub fn rows_of(&self, tensor: usize) -> (Rows, usize, usize) {
        let placed = &self.tensors[tensor];
        let leaves = placed.leaves_per_row();
        let rows = Rows { first: placed.offset, row_stride: LEAF, column_stride: leaves };
        (rows, leaves, placed.rows)
    }

    /// Place of leaf number `leaf`.
    ///
    /// # Panics
    /// When `leaf` is not below [`Layout::leaf_count`].
    pub fn place(&self, leaf: usize) -> LeafPlace {
        assert!(leaf < self.leaf_count(), "leaf {leaf} of {}", self.leaf_count());
        let tensor = self.tensors.partition_point(|placed| placed.first_leaf <= leaf) - 1;
        let placed = &self.tensors[tensor];
        let index_in_tensor = leaf - placed.first_leaf;
        let (row, column) = (index_in_tensor / placed.leaves_per_row(), index_in_tensor % placed.leaves_per_row());
        let valid = (placed.cols - column * LEAF).min(LEAF);
        LeafPlace { tensor, row, column, index_in_tensor, position: placed.offset + index_in_tensor, valid }
    }

    /// The siblings of `position` that have a leaf below them: bit `h` is that of the sibling at height `h`.
    pub fn occupied(&self, position: usize) -> usize {
        let has_leaf = |range: Range<usize>| {
            self.tensors.iter().any(|placed| placed.offset < range.end && range.start < placed.end())
        };
        let sibling = |height: usize| {
            let first = ((position >> height) ^ 1) << height;
            usize::from(has_leaf(first..first + (1 << height))) << height
        };
        (0..self.depth).map(sibling).sum()
    }

    /// Field element that stands for version, leaf size, depth and all shapes inside every root.
    pub fn element(&self) -> Fr {
        let head = [FORMAT_VERSION, LEAF as u64, self.depth as u64, self.tensors.len() as u64];
        let shapes = self.tensors.iter().flat_map(|placed| [placed.rows as u64, placed.cols as u64]);
        let message: Vec<Fr> = head.into_iter().chain(shapes).map(Fr::from).collect();
        poseidon::sponge(Fr::from(tag::LAYOUT), &message)
    }

    /// Root of a tree of leaves of one kind (`tag` is one of the `*_ROOT` tags of a model tree).
    pub fn root(&self, tag: u64, tree_root: Fr) -> Fr {
        poseidon::hash(Fr::from(tag), tree_root, self.element())
    }
}

impl Placed {
    fn leaves_per_row(&self) -> usize {
        self.cols.div_ceil(LEAF)
    }

    /// Position after its last leaf.
    fn end(&self) -> usize {
        self.offset + self.rows * self.leaves_per_row()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Beside the last leaves of all tensors, siblings without a leaf cover what holds none, and no leaf.
        #[test]
        fn a_position_without_a_leaf_is_below_an_empty_sibling_of_a_last_leaf(
            shapes in prop::collection::vec((1usize..20, 1usize..700), 1..6),
            spare in 0usize..3,
        ) {
            let needed = Layout::new(24, shapes.clone()).unwrap().tensors.last().unwrap().end();
            let depth = needed.next_power_of_two().ilog2() as usize + spare;
            let Ok(layout) = Layout::new(depth, shapes.clone()) else { return Ok(()) };
            let mut covered = alloc::vec![false; 1 << depth];
            for tensor in 0..shapes.len() {
                let last = layout.place(layout.leaves_of(tensor).end - 1).position;
                let occupied = layout.occupied(last);
                for height in (0..depth).filter(|height| occupied >> height & 1 == 0) {
                    let first = ((last >> height) ^ 1) << height;
                    covered[first..first + (1 << height)].fill(true);
                }
            }
            let mut vacant = alloc::vec![true; 1 << depth];
            (0..layout.leaf_count()).for_each(|leaf| vacant[layout.place(leaf).position] = false);
            prop_assert_eq!(covered, vacant);
        }
    }

    #[test]
    fn a_tree_with_a_leaf_replaced_is_the_tree_over_the_new_leaves() {
        let leaves = |changed: Option<usize>| {
            (0..11).map(|i| Fr::from(if changed == Some(i) { 100 } else { i as u64 })).collect::<Vec<_>>()
        };
        for position in [0, 5, 10] {
            let mut tree = Tree::new(5, leaves(None), hash_pairs);
            tree.replace(position, Fr::from(100));
            assert_eq!(tree, Tree::new(5, leaves(Some(position)), hash_pairs));
        }
    }

    #[test]
    fn nodes_hashed_elsewhere_have_the_root_of_their_tree() {
        let depth = 6;
        let leaf = |i: usize| if (8..24).contains(&i) || i == 33 { Fr::ZERO } else { Fr::from(i as u64 + 1) };
        let tree = Tree::new(depth, (0..39).map(leaf).collect(), hash_pairs);
        let part = |height: usize, range: Range<usize>| Nodes {
            height,
            first: range.start,
            hashes: range.map(|index| tree.at(height, index)).collect(),
        };
        assert_eq!(root_of_nodes(depth, &[part(0, 0..39)]), tree.root());
        assert_eq!(root_of_nodes(depth, &[part(3, 0..1), part(1, 12..16), part(0, 32..39)]), tree.root());
        assert_eq!(root_of_nodes(depth, &[part(6, 0..1)]), tree.root());
        assert_eq!(root_of_nodes(depth, &[]), Tree::new(depth, Vec::new(), hash_pairs).root());
        assert_ne!(root_of_nodes(depth, &[part(3, 0..1)]), tree.root());
    }
}
