//! The parts that a copy is written in: numbers of seven bits to a byte, and bytes behind their length.

use automerge::ChangeHash;

use crate::document::history::{Effect, OpRef, OpSketch, Predecessor, SketchKey};

/// What a sketch's first byte counts: kinds of keys, with and without an insertion, times effects.
const KEY_KINDS: u64 = 3;
const SHAPES: u64 = 2 * KEY_KINDS;

/// Writes parts, one behind the other.
#[derive(Debug, Default)]
pub(in crate::document) struct Writer(Vec<u8>);

impl Writer {
    pub(in crate::document) fn finish(self) -> Vec<u8> {
        self.0
    }

    pub(in crate::document) fn wide(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(in crate::document) fn number(&mut self, value: u32) {
        self.wide(value.into());
    }

    pub(in crate::document) fn count(&mut self, value: usize) {
        self.wide(value as u64);
    }

    /// Small numbers of either sign stay small.
    pub(in crate::document) fn signed(&mut self, value: i64) {
        self.wide(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    pub(in crate::document) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    pub(in crate::document) fn hash(&mut self, hash: &ChangeHash) {
        self.0.extend_from_slice(hash.as_ref());
    }

    fn op(&mut self, op: OpRef) {
        self.number(op.actor);
        self.number(op.counter);
    }

    pub(in crate::document) fn predecessor(&mut self, predecessor: &Predecessor) {
        self.number(predecessor.by);
        self.op(predecessor.of);
    }

    pub(in crate::document) fn sketch(&mut self, sketch: &OpSketch) {
        let (kind, depth) = match sketch.effect {
            Effect::Map { depth } => (0, Some(depth)),
            Effect::List { depth } => (1, Some(depth)),
            Effect::Text { depth } => (2, Some(depth)),
            Effect::Scalar => (3, None),
            Effect::Counter => (4, None),
            Effect::Nothing => (5, None),
            Effect::Increment => (6, None),
        };
        let key = match sketch.key {
            SketchKey::Map(_) => 0,
            SketchKey::Head => 1,
            SketchKey::Element(_) => 2,
        };
        self.wide(key + KEY_KINDS * u64::from(sketch.insert) + SHAPES * kind);
        self.op(sketch.object);
        match sketch.key {
            SketchKey::Map(key) => self.number(key),
            SketchKey::Head => {}
            SketchKey::Element(element) => self.op(element),
        }
        depth.into_iter().for_each(|depth| self.number(depth.into()));
    }
}

/// Reads parts; none where they end too early or say what no writer says.
#[derive(Debug)]
pub(in crate::document) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(in crate::document) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(in crate::document) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::document) fn wide(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(in crate::document) fn number(&mut self) -> Option<u32> {
        self.wide()?.try_into().ok()
    }

    /// How many parts follow, each of a byte at least.
    pub(in crate::document) fn count(&mut self) -> Option<usize> {
        usize::try_from(self.wide()?).ok().filter(|count| *count <= self.0.len())
    }

    pub(in crate::document) fn signed(&mut self) -> Option<i64> {
        let value = self.wide()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(in crate::document) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.count()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(in crate::document) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    pub(in crate::document) fn hash(&mut self) -> Option<ChangeHash> {
        let (hash, rest) = self.0.split_first_chunk::<32>()?;
        self.0 = rest;
        Some(ChangeHash(*hash))
    }

    fn op(&mut self) -> Option<OpRef> {
        Some(OpRef { actor: self.number()?, counter: self.number()? })
    }

    pub(in crate::document) fn predecessor(&mut self) -> Option<Predecessor> {
        Some(Predecessor { by: self.number()?, of: self.op()? })
    }

    pub(in crate::document) fn sketch(&mut self) -> Option<OpSketch> {
        let shape = self.wide()?;
        let object = self.op()?;
        let key = match shape % KEY_KINDS {
            0 => SketchKey::Map(self.number()?),
            1 => SketchKey::Head,
            _ => SketchKey::Element(self.op()?),
        };
        let mut depth = || self.number()?.try_into().ok();
        let effect = match shape / SHAPES {
            0 => Effect::Map { depth: depth()? },
            1 => Effect::List { depth: depth()? },
            2 => Effect::Text { depth: depth()? },
            3 => Effect::Scalar,
            4 => Effect::Counter,
            5 => Effect::Nothing,
            6 => Effect::Increment,
            _ => return None,
        };
        Some(OpSketch::new(object, key, shape % SHAPES >= KEY_KINDS, effect))
    }
}
