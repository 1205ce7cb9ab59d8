//! Registers: buildings, assets and measures, all of them by id.

use super::{Fed, Source};
use crate::assets::Asset;
use crate::buildings::Building;
use crate::measures::Measure;
use crate::row::Row;
use crate::{StorageError, Table};

macro_rules! registers {
    ($($register:ty),+) => {
        $(impl Fed for $register {
            fn sources(_: bool) -> Vec<Source> {
                vec![Source {
                    columns: Self::columns(),
                    from: <Self as Table>::NAME.to_owned(),
                    id: "id",
                    ..Source::default()
                }]
            }

            fn read(row: &tokio_postgres::Row) -> Result<Self, StorageError> {
                <Self as Row>::read(row)
            }
        })+
    };
}

registers!(Building, Asset, Measure);
