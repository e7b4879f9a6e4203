//! What a broker says of itself before anybody has logged in: the `Connection.Start` that answers a
//! client's greeting (AMQP 0-9-1 §1.4.2.1), with product, version and capabilities.

use lapin::uri::{AMQPScheme, AMQPUri};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A client's first bytes.
const GREETING: &[u8; 8] = b"AMQP\x00\x00\x09\x01";

/// A broker's greeting is a few hundred bytes.
const LONGEST: u32 = 64 << 10;

/// What a broker says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Greeting {
    /// As `RabbitMQ`; empty where it does not say so in the clear, as under TLS.
    pub product: String,
    /// As `3.10.8`.
    pub version: String,
    /// The capabilities that it has, by name.
    pub capabilities: Vec<String>,
}

impl Greeting {
    /// Its major and minor version, where it names one.
    pub fn release(&self) -> Option<(u32, u32)> {
        let mut parts = self.version.split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }
}

/// Greets the broker behind an address, and hangs up. Under TLS, that it takes connections must do.
pub(super) async fn greet(node: &AMQPUri) -> std::io::Result<Greeting> {
    let address = (node.authority.host.as_str(), node.authority.port);
    let mut stream = TcpStream::connect(address).await?;
    if node.scheme != AMQPScheme::AMQP {
        return Ok(Greeting::default());
    }
    stream.write_all(GREETING).await?;
    // A frame: its kind, its channel, its length.
    let mut head = [0; 7];
    stream.read_exact(&mut head).await?;
    let length = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
    let mut payload = vec![0; length.min(LONGEST) as usize];
    stream.read_exact(&mut payload).await?;
    Ok(read(&payload).unwrap_or_default())
}

/// Reads a `Connection.Start`: its class and method, the protocol's version, and the properties.
fn read(payload: &[u8]) -> Option<Greeting> {
    let mut bytes = Bytes(payload);
    if bytes.take(4)? != [0, 10, 0, 10] {
        return None;
    }
    bytes.take(2)?;
    let mut greeting = Greeting::default();
    let mut properties = bytes.table()?;
    while let Some(name) = properties.short() {
        match (name, properties.value()?) {
            ("product", Value::Text(product)) => product.clone_into(&mut greeting.product),
            ("version", Value::Text(version)) => version.clone_into(&mut greeting.version),
            ("capabilities", Value::Table(mut capabilities)) => {
                while let Some(name) = capabilities.short() {
                    if let Value::Bool(true) = capabilities.value()? {
                        greeting.capabilities.push(name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    Some(greeting)
}

/// Bytes that are still to be read.
struct Bytes<'a>(&'a [u8]);

/// The kinds of values that a broker's properties have.
enum Value<'a> {
    Text(&'a str),
    Table(Bytes<'a>),
    Bool(bool),
}

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn short(&mut self) -> Option<&'a str> {
        let length = self.take(1)?[0];
        std::str::from_utf8(self.take(length.into())?).ok()
    }

    fn long(&mut self) -> Option<&'a [u8]> {
        let length = u32::from_be_bytes(self.take(4)?.try_into().ok()?);
        self.take(usize::try_from(length).ok()?)
    }

    fn table(&mut self) -> Option<Self> {
        self.long().map(Bytes)
    }

    fn value(&mut self) -> Option<Value<'a>> {
        Some(match self.take(1)?[0] {
            b'S' => Value::Text(std::str::from_utf8(self.long()?).ok()?),
            b'F' => Value::Table(self.table()?),
            b't' => Value::Bool(self.take(1)?[0] != 0),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, value: &str) -> Vec<u8> {
        let mut bytes = vec![u8::try_from(name.len()).unwrap()];
        bytes.extend(name.bytes());
        bytes.push(b'S');
        bytes.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
        bytes.extend(value.bytes());
        bytes
    }

    fn table(inner: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(inner.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend(inner);
        bytes
    }

    #[test]
    fn a_greeting_names_version_and_capabilities() {
        let mut capabilities = b"\x12publisher_confirmst\x01".to_vec();
        capabilities.extend(b"\x0aper_nothert\x00".iter());
        let mut properties = b"\x0ccapabilitiesF".to_vec();
        properties.extend(table(&capabilities));
        properties.extend(text("product", "RabbitMQ"));
        properties.extend(text("version", "3.10.8"));
        let mut payload = vec![0, 10, 0, 10, 0, 9];
        payload.extend(table(&properties));
        let greeting = read(&payload).unwrap();
        assert_eq!(greeting.product, "RabbitMQ");
        assert_eq!(greeting.release(), Some((3, 10)));
        assert_eq!(greeting.capabilities, ["publisher_confirms"]);
        for end in 0..payload.len() {
            // Whatever a stranger says, and wherever it ends.
            drop(read(&payload[..end]));
        }
    }
}
