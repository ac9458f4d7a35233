//! The routes of the console. Every page is listed, so that whoever looks at all of them misses none.

use axum::{
    Router,
    response::Redirect,
    routing::{MethodRouter, get},
};

use crate::{Console, within::Within};

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

    /// Where a form of a tenant's page is sent to. Whoever comes here otherwise, as when a form was refused and its
    /// address is opened once more, is led to that page.
    pub(crate) fn form(self, path: &str, on: &'static str, sent: MethodRouter<Console>) -> Self {
        let back =
            get(async move |within: Within| within.filled(on).map(|page| Redirect::to(&page)));
        self.beside(path, sent.merge(back))
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
