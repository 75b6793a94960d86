//! The push client against scripted receivers on loopback.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod guard;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod names;
#[cfg(test)]
mod receiver;
#[cfg(test)]
mod request;
#[cfg(test)]
mod tls;
