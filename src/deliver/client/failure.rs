//! What kind of failure an error of the HTTP library is: decided by types, never by text.

use std::error::Error;
use std::io;

use crate::deliver::DeliverError;
use crate::outbox::TransportFailure;

/// The failure, with its cause and without the URL, whose query may hold a capability.
pub(super) fn from_reqwest(error: reqwest::Error) -> DeliverError {
    let error = error.without_url();
    DeliverError::new(kind_of(&error)).with_source(error)
}

fn kind_of(error: &reqwest::Error) -> TransportFailure {
    // A connection that fails for one of the first reasons is a failed connection, too: the
    // order matters.
    if error.is_timeout() {
        TransportFailure::Timeout
    } else if contains::<rustls::Error>(error) {
        TransportFailure::Tls
    } else if error.is_connect() {
        TransportFailure::Connect
    } else {
        TransportFailure::Exchange
    }
}

fn contains<T: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| cause(*error)).any(|error| error.is::<T>())
}

/// The next error of the chain. `source` of an I/O error steps over the error that it wraps,
/// which is where rustls puts its own.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_found_inside_an_io_error_inside_an_io_error() {
        let error = io::Error::other(io::Error::other(rustls::Error::DecryptError));
        assert!(contains::<rustls::Error>(&error));
        assert!(!contains::<std::fmt::Error>(&error));
    }
}
