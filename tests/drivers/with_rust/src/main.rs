//! with_rust PORT DATABASE: the same rows through tokio-postgres, whose decoders read binary alone and check each
//! value's length; types that it knows nothing of are taken as bytes.
use bytes::BytesMut;
use futures_util::TryStreamExt;
use serde_json::json;
use std::error::Error;
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{NoTls, Row, SimpleQueryMessage};

type Failure = Box<dyn Error + Sync + Send>;

struct Raw(Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        Ok(Raw(raw.to_vec()))
    }
    fn accepts(_: &Type) -> bool {
        true
    }
}

fn read<'a, T: FromSql<'a> + std::fmt::Debug>(row: &'a Row, i: usize) -> Result<String, Failure> {
    let value: Option<T> = row.try_get(i)?;
    Ok(value.map_or("null".into(), |v| format!("{v:?}")))
}

fn raw(row: &Row, i: usize) -> Result<String, Failure> {
    let value: Option<Raw> = row.try_get(i)?;
    Ok(value.map_or("null".into(), |v| String::from_utf8_lossy(&v.0).into_owned()))
}

fn column(row: &Row, i: usize) -> Result<String, Failure> {
    match *row.columns()[i].type_() {
        Type::INT2 => read::<i16>(row, i),
        Type::INT4 => read::<i32>(row, i),
        Type::INT8 => read::<i64>(row, i),
        Type::FLOAT4 => read::<f32>(row, i),
        Type::FLOAT8 => read::<f64>(row, i),
        Type::BOOL => read::<bool>(row, i),
        Type::DATE => read::<chrono::NaiveDate>(row, i),
        Type::TIMESTAMP => read::<chrono::NaiveDateTime>(row, i),
        Type::TIMESTAMPTZ => read::<chrono::DateTime<chrono::Utc>>(row, i),
        Type::TIME => read::<chrono::NaiveTime>(row, i),
        Type::UUID => read::<uuid::Uuid>(row, i),
        Type::TEXT | Type::VARCHAR => read::<String>(row, i),
        Type::BYTEA => read::<Vec<u8>>(row, i),
        Type::JSON | Type::JSONB => read::<serde_json::Value>(row, i),
        Type::INET => read::<std::net::IpAddr>(row, i),
        Type::INT4_ARRAY => read::<Vec<Option<i32>>>(row, i),
        Type::TEXT_ARRAY => read::<Vec<Option<String>>>(row, i),
        _ => raw(row, i),
    }
}

fn say(way: &str, rows: Vec<Vec<String>>) {
    println!("{}", json!({"way": way, "rows": rows}));
}

fn all(rows: &[Row]) -> Result<Vec<Vec<String>>, Failure> {
    rows.iter().map(|r| (0..r.len()).map(|i| column(r, i)).collect()).collect()
}

fn simple(messages: &[SimpleQueryMessage]) -> Vec<Vec<String>> {
    let text = |r: &tokio_postgres::SimpleQueryRow| (0..r.len()).map(|i| r.get(i).unwrap_or("null").into()).collect();
    messages.iter().filter_map(|m| if let SimpleQueryMessage::Row(r) = m { Some(text(r)) } else { None }).collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let url = format!("postgres://agent:any@127.0.0.1:{}/{}?sslmode=disable", args[1], args[2]);
    let (mut client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    let sql = "SELECT * FROM typed ORDER BY id";
    say("tokio-postgres", all(&client.query(sql, &[]).await?)?);
    say("tokio-postgres, simple", simple(&client.simple_query(sql).await?));
    let in_block = client.transaction().await?;
    let portal = in_block.bind(sql, &[]).await?;
    let mut rows = all(&in_block.query_portal(&portal, 1).await?)?;
    rows.extend(all(&in_block.query_portal(&portal, 0).await?)?);
    say("tokio-postgres, by a portal", rows);
    in_block.commit().await?;
    let out: BytesMut = client.copy_out("COPY typed TO STDOUT (NULL 'null')").await?
        .try_fold(BytesMut::new(), |mut all, part| async move { all.extend_from_slice(&part); Ok(all) }).await?;
    let text = String::from_utf8(out.to_vec())?;
    say("tokio-postgres COPY", text.lines().map(|l| l.split('\t').map(String::from).collect()).collect());
    Ok(())
}
