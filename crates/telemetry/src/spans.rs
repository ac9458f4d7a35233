//! The spans of a trace. Without an exporter each costs one look at an atomic.

/// The target of every span. Nothing else has it.
pub const TARGET: &str = "chancery::span";

/// One stage of a request, as a span within the one that is current.
///
/// ```
/// use chancery_telemetry::stage;
/// let signed = stage!("sign").in_scope(|| 1 + 1);
/// # assert_eq!(signed, 2);
/// ```
#[macro_export]
macro_rules! stage {
    ($name:literal $(, $($fields:tt)*)?) => {
        $crate::spans::tracing::span!(
            target: $crate::spans::TARGET,
            $crate::spans::tracing::Level::TRACE,
            $name
            $(, $($fields)*)?
        )
    };
}

#[doc(hidden)]
pub use tracing;
