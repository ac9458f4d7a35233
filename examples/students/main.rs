//! `cargo run -p chancery-examples --bin students`

use chancery_examples::{BoxError, setup, students};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let operator = setup::Operator::from_file(&setup::operator_file())?;
    let client = students::set_up(&operator).await?;
    let issuer = operator.issuer(students::TENANT);

    let service = students::service::router(operator.base())?;
    let caller = students::caller::router(&issuer, client, "http://127.0.0.1:4006")?;
    let (at_4004, at_4006) = (
        TcpListener::bind("127.0.0.1:4004").await?,
        TcpListener::bind("127.0.0.1:4006").await?,
    );
    println!("the service:  http://127.0.0.1:4006/students");
    println!("the caller:   curl -s -X POST http://127.0.0.1:4004/m2m/run");
    tokio::try_join!(async { axum::serve(at_4004, caller).await }, async {
        axum::serve(at_4006, service).await
    },)?;
    Ok(())
}
