//! The secrets of streams: sealed before they are stored, opened for a push.

use super::{Core, Transmitter};
use crate::error::Error;
use crate::id::StreamId;
use crate::secret_box::{SecretBox, SecretBoxError, SecretPlace};
use crate::store::{StoreError, StreamUpdate};
use crate::stream::{AuthorizationHeader, Delivery, StoredAuthorization, StreamRecord};

/// How many streams are read at once.
const PAGE: usize = 100;
/// How often a stream is sealed anew because it changed meanwhile.
const CHANGE_TRIES: usize = 5;

impl Core {
    /// Seals the secret of a record that is about to be stored, if the host has a box and it is
    /// not sealed yet.
    pub(super) async fn seal_secret(&self, record: &mut StreamRecord) -> Result<(), Error> {
        let Some(secrets) = &self.secrets else { return Ok(()) };
        let Delivery::Push(push) = &mut record.delivery else { return Ok(()) };
        if let Some(StoredAuthorization::Plain(secret)) = &push.authorization {
            let place = SecretPlace::new(&self.issuer, &record.stream_id);
            let sealed = secrets.seal(place, secret).await?;
            push.authorization = Some(StoredAuthorization::Sealed(sealed));
        }
        Ok(())
    }

    /// The secret of a stream, as it goes into a request.
    pub(super) async fn open_secret(
        &self,
        stream: &StreamId,
        stored: &StoredAuthorization,
    ) -> Result<AuthorizationHeader, SecretBoxError> {
        match stored {
            StoredAuthorization::Plain(secret) => Ok(secret.clone()),
            StoredAuthorization::Sealed(sealed) => {
                let secrets = self.secrets.as_ref().ok_or(SecretBoxError::NoBox)?;
                secrets.open(SecretPlace::new(&self.issuer, stream), sealed).await
            }
        }
    }
}

impl Transmitter {
    /// Seals anew, with the newest key of the box, all secrets that are not sealed with it: after
    /// a box was introduced, or a key replaced. Says how many it sealed. Without a box it does
    /// nothing. It reads every stream, in pages, and changes nothing that a receiver can notice.
    ///
    /// # Errors
    /// The first of [`Error::Secrets`], for a secret that cannot be opened or sealed, and the
    /// errors of the store. The other streams are sealed all the same; the call may be repeated.
    pub async fn reseal(&self) -> Result<usize, Error> {
        let Some(secrets) = self.core.secrets.clone() else { return Ok(0) };
        let (mut sealed, mut after, mut trouble) = (0, None, Ok(()));
        loop {
            let page = self.streams(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return trouble.map(|()| sealed) };
            after = Some(last.record.stream_id.clone());
            for overview in page {
                match self.reseal_stream(&*secrets, overview.record).await {
                    Ok(Sealed::Anew) => sealed += 1,
                    Ok(Sealed::Already) => {}
                    Err(error) => trouble = trouble.and(Err(error)),
                }
            }
        }
    }

    async fn reseal_stream(
        &self,
        secrets: &dyn SecretBox,
        mut record: StreamRecord,
    ) -> Result<Sealed, Error> {
        for _ in 0..CHANGE_TRIES {
            let Delivery::Push(push) = &mut record.delivery else { return Ok(Sealed::Already) };
            let Some(stored) = &push.authorization else { return Ok(Sealed::Already) };
            if matches!(stored, StoredAuthorization::Sealed(sealed) if secrets.is_current(sealed)) {
                return Ok(Sealed::Already);
            }
            let (stream, version) = (record.stream_id.clone(), record.version);
            push.authorization = Some(self.core.open_secret(&stream, stored).await?.into());
            self.core.seal_secret(&mut record).await?;
            match self.store.update_stream(StreamUpdate::new(record, version)).await {
                Ok(_) => return Ok(Sealed::Anew),
                Err(StoreError::Conflict) => {}
                // Gone meanwhile, and its secret with it.
                Err(StoreError::NotFound) => return Ok(Sealed::Already),
                Err(error) => return Err(error.into()),
            }
            record = match self.store.find_stream(&self.core.issuer, &stream).await {
                Ok(record) => record,
                Err(StoreError::NotFound) => return Ok(Sealed::Already),
                Err(error) => return Err(error.into()),
            };
        }
        Err(StoreError::Conflict.into())
    }
}

/// What became of one secret.
enum Sealed {
    Anew,
    Already,
}
