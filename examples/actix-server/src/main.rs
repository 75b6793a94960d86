//! An example transmitter: the library's router mounted in actix-web, with an admin API beside it.
//! Not a product: receivers are given by flags.

mod adapter;

use std::error::Error;
use std::net::TcpListener;

use clap::Parser;
use example_host::{Admin, App, Flags};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let flags = Flags::parse();
    let listener = TcpListener::bind(flags.listen)?;
    let url = format!("http://{}", listener.local_addr()?);

    let (transmitter, monitor) = example_host::transmitter(&flags, &url).await?;
    let router = example_host::router(&transmitter, &flags)?;
    let app = App::new(router, Admin::of(&transmitter, &monitor, &flags)?);

    println!("listening on {url}");
    example_host::run(transmitter, |stop| adapter::serve(listener, app, stop)).await
}
