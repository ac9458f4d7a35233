//! The routes of the console. Every page is listed, so that whoever looks at all of them misses none.

use axum::{Router, routing::MethodRouter};

use crate::Console;

/// Routes, and which of them are pages.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<Console>,
    paths: Vec<String>,
    pages: Vec<String>,
}

impl Routes {
    /// A page for people, by `GET`, and what its own form sends back to it.
    pub(crate) fn page(mut self, path: &str, methods: MethodRouter<Console>) -> Self {
        self.pages.push(path.to_owned());
        self.beside(path, methods)
    }

    /// What is not looked at by itself: where a form is sent to, a file, a stream.
    pub(crate) fn beside(mut self, path: &str, methods: MethodRouter<Console>) -> Self {
        self.paths.push(path.to_owned());
        self.router = self.router.route(path, methods);
        self
    }

    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.paths.extend(other.paths);
        self.pages.extend(other.pages);
        self
    }

    pub(crate) fn router(self) -> Router<Console> {
        self.router
    }

    /// The path of every route, with the names of its parts in braces.
    pub(crate) fn paths(self) -> Vec<String> {
        self.paths
    }

    /// The path of every page, with the names of its parts in braces.
    pub(crate) fn pages(self) -> Vec<String> {
        self.pages
    }
}
