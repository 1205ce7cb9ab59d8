//! Reports, and how they are shown: JSON, CSV, XLSX and a page to print, all of the same figures.
//!
//! Everything here is a pure function of its arguments: who makes a [`Report`] reads the database.

#![warn(missing_docs)]

mod cell;
mod json;
mod report;

pub use cell::Cell;
pub use report::{Chart, Column, Report, Table};
