//! Stories across the whole system: they are in `stories/`. This library is empty; Cargo wants one
//! so that the package has a target when no test is built.

/// The Rust of the integrators' guide, which is compiled here with what a program of its reader would have.
#[cfg(doctest)]
#[doc = include_str!("../docs/tokens.md")]
struct IntegratorsGuide;
