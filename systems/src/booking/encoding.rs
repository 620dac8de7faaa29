//! Writes rows as `postcard` reads them, straight to where they are wanted: most of a row are numbers of one byte, which
//! then cost a store each instead of a copy. Reads nothing.

use postcard::{Error, Result};
use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// Appends a value.
pub(super) fn append<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) {
    value.serialize(&mut Appender(bytes)).expect("rows have no types that do not encode");
}

struct Appender<'a>(&'a mut Vec<u8>);

/// Bits of a number in a byte of it; the highest one says whether another byte follows.
const BITS: u32 = 7;
const MORE: u8 = 1 << BITS;

/// The low 56 bits, seven in each byte: halves, quarters and eighths are moved apart.
const fn spread(number: u64) -> u64 {
    let halves = number & 0x0FFF_FFFF | (number & 0x00FF_FFFF_F000_0000) << 4;
    let quarters = halves & 0x0000_3FFF_0000_3FFF | (halves & 0x0FFF_C000_0FFF_C000) << 2;
    quarters & 0x007F_007F_007F_007F | (quarters & 0x3F80_3F80_3F80_3F80) << 1
}

impl Appender<'_> {
    #[inline]
    fn byte(&mut self, byte: u8) -> Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn number(&mut self, number: u64) -> Result<()> {
        if number < u64::from(MORE) { self.byte(number as u8) } else { self.long_number(number) }
    }

    /// Without a branch that depends on how long it is: all the bytes there could be are written, and what is too much is
    /// then taken away.
    fn long_number(&mut self, number: u64) -> Result<()> {
        let last = self.0.len() + (number.ilog2() / BITS) as usize;
        let low = (spread(number) | u64::from_le_bytes([MORE; 8])).to_le_bytes();
        let high = [(number >> 56) as u8 | MORE, (number >> 63) as u8];
        self.0.extend_from_slice(&low);
        self.0.extend_from_slice(&high);
        self.0.truncate(last + 1);
        self.0[last] &= !MORE;
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.number(bytes.len() as u64)?;
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn length(&mut self, length: Option<usize>) -> Result<()> {
        self.number(length.ok_or(Error::SerializeSeqLengthUnknown)? as u64)
    }
}

impl Serializer for &mut Appender<'_> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<()> {
        self.byte(u8::from(value))
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Result<()> {
        self.byte(value as u8)
    }

    #[inline]
    fn serialize_i16(self, value: i16) -> Result<()> {
        self.serialize_i64(i64::from(value))
    }

    #[inline]
    fn serialize_i32(self, value: i32) -> Result<()> {
        self.serialize_i64(i64::from(value))
    }

    /// The sign is the lowest bit, so that numbers little below zero are short, too.
    #[inline]
    fn serialize_i64(self, value: i64) -> Result<()> {
        self.number((value << 1 ^ value >> 63) as u64)
    }

    fn serialize_i128(self, value: i128) -> Result<()> {
        self.serialize_u128((value << 1 ^ value >> 127) as u128)
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<()> {
        self.byte(value)
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Result<()> {
        self.number(u64::from(value))
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Result<()> {
        self.number(u64::from(value))
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<()> {
        self.number(value)
    }

    fn serialize_u128(self, mut value: u128) -> Result<()> {
        while value >= u128::from(MORE) {
            self.byte(value as u8 | MORE)?;
            value >>= BITS;
        }
        self.byte(value as u8)
    }

    fn serialize_f32(self, value: f32) -> Result<()> {
        self.0.extend_from_slice(&value.to_bits().to_le_bytes());
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<()> {
        self.0.extend_from_slice(&value.to_bits().to_le_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<()> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<()> {
        self.bytes(value.as_bytes())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<()> {
        self.bytes(value)
    }

    #[inline]
    fn serialize_none(self) -> Result<()> {
        self.byte(0)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        self.byte(1)?;
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<()> {
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<()> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(self, _name: &'static str, index: u32, _variant: &'static str) -> Result<()> {
        self.number(u64::from(index))
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _name: &'static str, value: &T) -> Result<()> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        value: &T,
    ) -> Result<()> {
        self.number(u64::from(index))?;
        value.serialize(self)
    }

    #[inline]
    fn serialize_seq(self, length: Option<usize>) -> Result<Self> {
        self.length(length).map(|()| self)
    }

    #[inline]
    fn serialize_tuple(self, _length: usize) -> Result<Self> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_struct(self, _name: &'static str, _length: usize) -> Result<Self> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self> {
        self.number(u64::from(index)).map(|()| self)
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self> {
        self.length(length).map(|()| self)
    }

    #[inline]
    fn serialize_struct(self, _name: &'static str, _length: usize) -> Result<Self> {
        Ok(self)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self> {
        self.number(u64::from(index)).map(|()| self)
    }
}

/// What has parts is written part by part, and ends without a mark.
macro_rules! part_by_part {
    ($($kind:ident $part:ident($($name:ident: $of:ty)?)),+ $(,)?) => {$(
        impl $kind for &mut Appender<'_> {
            type Ok = ();
            type Error = Error;

            #[inline]
            fn $part<T: Serialize + ?Sized>(&mut self, $($name: $of,)? value: &T) -> Result<()> {
                value.serialize(&mut **self)
            }

            #[inline]
            fn end(self) -> Result<()> {
                Ok(())
            }
        }
    )+};
}

part_by_part!(
    SerializeSeq serialize_element(),
    SerializeTuple serialize_element(),
    SerializeTupleStruct serialize_field(),
    SerializeTupleVariant serialize_field(),
    SerializeStruct serialize_field(_name: &'static str),
    SerializeStructVariant serialize_field(_name: &'static str),
);

impl SerializeMap for &mut Appender<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Serialize;
    use std::collections::BTreeMap;

    /// Every kind of thing that there is.
    #[derive(Clone, Debug, Serialize)]
    enum Thing {
        Nothing,
        Signed(i8, i16, i32, i64, i128),
        Unsigned { byte: u8, short: u16, word: u32, long: u64, longest: u128 },
        Text(String),
        More(Box<More>),
    }

    #[derive(Clone, Debug, Serialize)]
    struct Empty;

    #[derive(Clone, Debug, Serialize)]
    struct Pair(bool, char);

    #[derive(Clone, Debug, Serialize)]
    struct More {
        floats: (f32, f64),
        list: Vec<Option<i64>>,
        map: BTreeMap<u16, Pair>,
        nothing: ((), Empty),
    }

    fn things() -> impl Strategy<Value = Thing> {
        let numbers = any::<(i128, u128)>();
        // As many short ones as long ones.
        let numbers =
            (numbers, 0u32..127).prop_map(|((signed, unsigned), bits)| (signed >> bits, unsigned >> bits));
        let more = (
            any::<(f32, f64)>(),
            prop::collection::vec(any::<Option<i64>>(), 0..200),
            prop::collection::btree_map(any::<u16>(), any::<(bool, char)>(), 0..5),
        );
        prop_oneof![
            Just(Thing::Nothing),
            numbers.clone().prop_map(|(number, _)| Thing::Signed(
                number as i8,
                number as i16,
                number as i32,
                number as i64,
                number
            )),
            numbers.prop_map(|(_, number)| Thing::Unsigned {
                byte: number as u8,
                short: number as u16,
                word: number as u32,
                long: number as u64,
                longest: number
            }),
            any::<String>().prop_map(Thing::Text),
            more.prop_map(|(floats, list, map)| {
                let map = map.into_iter().map(|(key, (one, other))| (key, Pair(one, other))).collect();
                Thing::More(Box::new(More { floats, list, map, nothing: ((), Empty) }))
            }),
        ]
    }

    proptest! {
        #[test]
        fn it_is_what_postcard_writes(things in prop::collection::vec(things(), 0..8)) {
            let mut bytes = b"before".to_vec();
            append(&things, &mut bytes);
            let expected = postcard::to_allocvec(&things).expect("all of it encodes");
            prop_assert_eq!(&bytes[6..], expected);
        }
    }

    #[test]
    fn numbers_are_right_where_they_grow_longer() {
        for number in
            (0..64).flat_map(|bits| [(1u64 << bits) - 1, 1 << bits, (1 << bits) + 1]).chain([u64::MAX])
        {
            let mut bytes = Vec::new();
            append(&(number, number as i64), &mut bytes);
            assert_eq!(bytes, postcard::to_allocvec(&(number, number as i64)).expect("numbers encode"));
        }
    }
}
