//! `cargo run -p chancery-examples --bin students`

use chancery_examples::{BoxError, setup, students};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let operator = setup::Operator::from_file(&setup::operator_file())?;
    // Before anything is made there that nobody would use.
    let at_caller = listen("CALLER_LISTEN", "127.0.0.1:4004").await?;
    let at_service = listen("SERVICE_LISTEN", "127.0.0.1:4006").await?;
    let client = students::set_up(&operator, students::TENANT).await?;
    let issuer = operator.issuer(students::TENANT);

    let service = students::service::router(operator.base(), &issuer)?;
    let service_url = format!("http://{}", at_service.local_addr()?);
    let caller = students::caller::router(&issuer, client, &service_url)?;
    println!("the service:  {service_url}/students");
    let at = at_caller.local_addr()?;
    println!("the caller:   curl -s -X POST http://{at}/m2m/run");
    tokio::try_join!(async { axum::serve(at_caller, caller).await }, async {
        axum::serve(at_service, service).await
    },)?;
    Ok(())
}

/// Listens where the environment says, or there.
async fn listen(variable: &str, default: &str) -> Result<TcpListener, BoxError> {
    let address = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
    let listening = TcpListener::bind(&address).await;
    Ok(listening.map_err(|error| format!("{address}: {error}; {variable} names another"))?)
}
