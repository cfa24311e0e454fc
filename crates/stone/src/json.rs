//! JSON as Stone writes it and, more strictly, as Stone reads it.

mod error;
mod read;
mod value;
mod view;
mod write;

pub use error::JsonError;
pub use value::Json;
pub(crate) use view::View;
