//! Access tokens: JWTs and introspected ones, against an authorization server on loopback.

#[cfg(test)]
mod authority;
#[cfg(test)]
mod challenges;
#[cfg(test)]
mod introspection;
#[cfg(test)]
mod jwks_url;
#[cfg(test)]
mod jwt;
#[cfg(test)]
mod pushes;
#[cfg(test)]
mod server;
