//! work DRIVER: tokio-postgres or sqlx; where to connect to is in PGHOST and the like.
use bytes::Bytes;
use futures_util::{pin_mut, SinkExt, StreamExt, TryStreamExt};
use sqlx::{Column, Connection, Executor, Row};
use std::time::Duration;

type Any<T> = Result<T, Box<dyn std::error::Error>>;
const FAILING: [&str; 4] = ["SELECT 1/0", "SELECT * FROM nowhere", "INSERT INTO made (n) VALUES (-1)", "SELEC 1"];
const BIG: &str = "SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 20000) i";

fn env(name: &str) -> String {
    std::env::var(name).unwrap()
}

async fn tokio_postgres() -> Any<()> {
    use tokio_postgres::{AsyncMessage, NoTls, SimpleQueryMessage};
    let (client, mut connection) = tokio_postgres::Config::new()
        .host(&env("PGHOST")).port(env("PGPORT").parse()?).user(&env("PGUSER")).password(env("PGPASSWORD")).dbname(&env("PGDATABASE"))
        .connect(NoTls).await?;
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = futures_util::future::poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(n) = message {
                let _ = sender.send((n.channel().to_string(), n.payload().to_string()));
            }
        }
    });
    for _ in 0..3 {
        for row in client.query("SELECT id, i8, f8, b, t, y, ia, i2 FROM typed WHERE id <= $1 ORDER BY id", &[&2i32]).await? {
            println!("types {:?} {:?} {:?} {:?} {:?} {:?}", row.get::<_, i32>(0), row.get::<_, Option<i64>>(1), row.get::<_, Option<f64>>(2),
                row.get::<_, Option<bool>>(3), row.get::<_, Option<String>>(4), row.get::<_, Option<Vec<u8>>>(5));
        }
    }
    for message in client.simple_query("SELECT * FROM typed ORDER BY id; SELECT tell(1)").await? {
        if let SimpleQueryMessage::Row(row) = message {
            println!("simple {:?}", (0..row.len()).map(|i| row.get(i)).collect::<Vec<_>>());
        }
    }
    for text in FAILING {
        println!("error {:?}", client.execute(text, &[]).await.unwrap_err().as_db_error());
    }
    let statement = client.prepare("SELECT $1::int8 * 2").await?;
    let mut all = Vec::new();
    for row in futures_util::future::join_all((0..200i64).map(|n| {
        let (client, statement) = (&client, &statement);
        async move { client.query_one(statement, &[&n]).await }
    })).await {
        all.push(row?.get::<_, i64>(0));
    }
    println!("pipelined {:?}", all);
    let sink = client.copy_in("COPY made (k, n) FROM STDIN").await?;
    pin_mut!(sink);
    sink.send(Bytes::from_static(b"r1\t1\nr2\t2\n")).await?;
    println!("copy in {}", sink.finish().await?);
    let out: Vec<Bytes> = client.copy_out("COPY (SELECT k, n FROM made ORDER BY k) TO STDOUT").await?.try_collect().await?;
    println!("copy out {:?}", out.concat());
    let rows = client.query(BIG, &[]).await?;
    println!("big {} {}", rows.len(), rows.iter().map(|r| r.get::<_, String>(1).len()).sum::<usize>());
    client.batch_execute("LISTEN ch; NOTIFY ch, 'payload'").await?;
    println!("notify {:?}", heard.recv().await);
    let cancel = client.cancel_token();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let _ = cancel.cancel_query(NoTls).await;
    });
    println!("cancel {:?}", client.execute("SELECT pg_sleep(60)", &[]).await.unwrap_err().as_db_error());
    Ok(())
}

async fn with_sqlx() -> Any<()> {
    let mut c = sqlx::PgConnection::connect("postgres://").await?;
    for _ in 0..3 {
        for row in sqlx::query("SELECT id, i8, f8, b, t, y FROM typed WHERE id <= $1 ORDER BY id").bind(2i32).fetch_all(&mut c).await? {
            println!("types {:?} {:?} {:?} {:?} {:?}", row.columns().iter().map(|c| c.name()).collect::<Vec<_>>(), row.get::<i32, _>(0),
                row.get::<Option<i64>, _>(1), row.get::<Option<f64>, _>(2), row.get::<Option<String>, _>(4));
        }
    }
    for text in FAILING {
        let error = c.execute(text).await.unwrap_err();
        println!("error {:?} {:?}", error, error.as_database_error().map(|e| e.code().map(|c| c.to_string())));
    }
    let mut tx = c.begin().await?;
    for n in 1..=100i32 {
        sqlx::query("INSERT INTO made (k, n) VALUES ($1, $2)").bind(format!("x{n}")).bind(n).execute(&mut *tx).await?;
    }
    tx.rollback().await?;
    println!("transaction {}", sqlx::query_scalar::<_, i64>("SELECT count(*) FROM made").fetch_one(&mut c).await?);
    let mut size = 0;
    let mut rows = sqlx::query(BIG).fetch(&mut c);
    while let Some(row) = rows.next().await {
        size += row?.get::<String, _>(1).len();
    }
    println!("big {size}");
    Ok(())
}

#[tokio::main]
async fn main() -> Any<()> {
    match std::env::args().nth(1).as_deref() {
        Some("sqlx") => with_sqlx().await,
        _ => tokio_postgres().await,
    }
}
