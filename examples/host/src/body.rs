//! Reading the body of a request, as far as the router wants it.

use std::pin::pin;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{Stream, StreamExt};

/// Reads a body until it is more than `limit` bytes long; the router refuses what is longer.
///
/// # Errors
/// That of the stream, when the body broke off.
pub async fn read<E>(body: impl Stream<Item = Result<Bytes, E>>, limit: usize) -> Result<Bytes, E> {
    let mut body = pin!(body);
    let mut bytes = BytesMut::new();
    while bytes.len() <= limit
        && let Some(chunk) = body.next().await
    {
        let chunk = chunk?;
        bytes.extend_from_slice(&chunk[..chunk.len().min(limit + 1 - bytes.len())]);
    }
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use futures_util::stream::iter;

    use super::*;

    async fn read_of(chunks: &[&'static str], limit: usize) -> Result<Bytes, &'static str> {
        read(
            iter(chunks.iter().map(|chunk| match *chunk {
                "broken" => Err("broken"),
                chunk => Ok(Bytes::from_static(chunk.as_bytes())),
            })),
            limit,
        )
        .await
    }

    #[tokio::test]
    async fn a_body_is_read_until_it_is_one_byte_too_long() {
        assert_eq!(read_of(&["ab", "cd"], 4).await, Ok("abcd".into()));
        assert_eq!(read_of(&["ab", "cdefgh", "broken"], 4).await, Ok("abcde".into()));
        assert_eq!(read_of(&[], 4).await, Ok(Bytes::new()));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_no_body() {
        assert_eq!(read_of(&["ab", "broken"], 4).await, Err("broken"));
    }
}
