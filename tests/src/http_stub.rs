//! A little HTTP server that answers as a test wants: the Invoke API of a function, a DynamoDB that does half its work.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What was asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// `/2015-03-31/functions/matcher/invocations`
    pub path: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// As text.
    pub body: String,
}

impl Request {
    /// A header's value, empty without it.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }
}

/// A server on loopback that runs until it is dropped.
#[derive(Debug)]
pub struct HttpStub {
    url: String,
    task: JoinHandle<()>,
}

impl HttpStub {
    /// Answers every request with a status and a body.
    ///
    /// # Errors
    /// The system has no port left.
    pub async fn start<F, R>(answer: F) -> io::Result<Self>
    where
        F: Fn(Request) -> R + Send + Sync + 'static,
        R: Future<Output = (u16, String)> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let answer = Arc::clone(&answer);
                // A client that goes away ends its connection, which is nobody's failure.
                tokio::spawn(async move { serve(connection, &*answer).await });
            }
        });
        Ok(Self { url, task })
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for HttpStub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<F, R>(connection: TcpStream, answer: &F) -> io::Result<()>
where
    F: Fn(Request) -> R,
    R: Future<Output = (u16, String)>,
{
    let mut connection = BufReader::new(connection);
    while let Some(request) = read(&mut connection).await? {
        let (status, body) = answer(request).await;
        let head = format!(
            "HTTP/1.1 {status} Stub\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        connection.write_all(format!("{head}{body}").as_bytes()).await?;
        connection.flush().await?;
    }
    Ok(())
}

async fn read(connection: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if connection.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    loop {
        line.clear();
        connection.read_line(&mut line).await?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    let mut request = Request { path, headers, body: String::new() };
    let mut body = vec![0; request.header("content-length").parse().unwrap_or(0)];
    connection.read_exact(&mut body).await?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(request))
}
