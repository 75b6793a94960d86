//! Connections, kept by what their names resolve to: one is used again only while its name
//! resolves to the same addresses.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::resolver::Pinned;
use crate::https;

// A burst to one receiver reuses its connections; an idle transmitter holds none for long.
const IDLE_PER_HOST: usize = 16;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// For how many names connections are kept.
const MOST_NAMES: usize = 4096;

/// One HTTP client per name, which connects to the vetted addresses of that name and to nothing
/// else. A connection of a client whose name has moved is not used again.
pub(super) struct Pools {
    tls: rustls::ClientConfig,
    connect_timeout: Duration,
    /// For literal addresses: they are resolved to nothing.
    literals: reqwest::Client,
    names: Mutex<Names>,
}

#[derive(Default)]
struct Names {
    pools: HashMap<Box<str>, Pool>,
    /// Counts uses, so that the pool that rested longest can make room.
    uses: u64,
}

struct Pool {
    /// The addresses in order, so that an answer that was only shuffled is the same.
    answer: Vec<IpAddr>,
    http: reqwest::Client,
    last_use: u64,
}

impl Pools {
    pub(super) fn new(
        tls: rustls::ClientConfig,
        connect_timeout: Duration,
    ) -> Result<Self, reqwest::Error> {
        let literals = client(&tls, connect_timeout, Arc::new([]))?;
        Ok(Self { tls, connect_timeout, literals, names: Mutex::default() })
    }

    /// The client for endpoints that are addresses.
    pub(super) const fn literals(&self) -> &reqwest::Client {
        &self.literals
    }

    /// The client for a name that resolves to these addresses now, all of them vetted.
    pub(super) fn named(
        &self,
        name: &str,
        vetted: Vec<IpAddr>,
    ) -> Result<reqwest::Client, reqwest::Error> {
        let mut answer = vetted.clone();
        answer.sort_unstable();
        answer.dedup();
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.uses += 1;
        let last_use = names.uses;
        if let Some(pool) = names.pools.get_mut(name)
            && pool.answer == answer
        {
            pool.last_use = last_use;
            return Ok(pool.http.clone());
        }
        let http = client(&self.tls, self.connect_timeout, vetted.into())?;
        if names.pools.len() >= MOST_NAMES {
            names.forget_one();
        }
        names.pools.insert(name.into(), Pool { answer, http: http.clone(), last_use });
        Ok(http)
    }
}

impl Names {
    fn forget_one(&mut self) {
        let rested = self.pools.iter().min_by_key(|(_, pool)| pool.last_use);
        if let Some(name) = rested.map(|(name, _)| name.clone()) {
            self.pools.remove(&name);
        }
    }
}

fn client(
    tls: &rustls::ClientConfig,
    connect_timeout: Duration,
    addresses: Arc<[IpAddr]>,
) -> Result<reqwest::Client, reqwest::Error> {
    https::client_builder(tls.clone())
        .dns_resolver(Pinned(addresses))
        .connect_timeout(connect_timeout)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_that_rested_longest_make_room() {
        let tls = https::client_config(&[] as &[&[u8]]).unwrap();
        let pools = Pools::new(tls, Duration::from_secs(5)).unwrap();
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let pool = |http: &reqwest::Client, last_use| Pool {
            answer: vec![address],
            http: http.clone(),
            last_use,
        };
        {
            let mut names = pools.names.lock().unwrap();
            for number in 0..MOST_NAMES as u64 {
                let pool = pool(pools.literals(), number);
                names.pools.insert(format!("{number}.example").into(), pool);
            }
            names.uses = MOST_NAMES as u64;
        }
        pools.named("0.example", vec![address]).unwrap();
        pools.named("new.example", vec![address]).unwrap();
        let names = pools.names.lock().unwrap();
        assert_eq!(names.pools.len(), MOST_NAMES);
        assert!(names.pools.contains_key("0.example") && names.pools.contains_key("new.example"));
        assert!(!names.pools.contains_key("1.example"));
    }
}
