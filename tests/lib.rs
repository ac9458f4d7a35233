//! Stories across the whole system: they are in `stories/`. This library is empty; Cargo wants one
//! so that the package has a target when no test is built.
