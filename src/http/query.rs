//! Parameters and bodies read field by field, so that an answer names every one that is wrong.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query as Pairs, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::IntoParams;

use super::Api;
use super::error::{ApiError, Fields};
use crate::page::{Cursor, PageRequest};
use crate::time::Timestamp;

/// What is said of a parameter that the route does not know.
pub(crate) const UNKNOWN: &str = "is not a parameter of this route";

/// The path's parameters.
#[derive(Debug)]
pub(crate) struct Path<T>(pub(crate) T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // U+0000, which no id has, and which PostgreSQL would call an error.
        if parts.uri.path().contains("%00") {
            return Err(ApiError::not_found("path"));
        }
        let axum::extract::Path(value) =
            axum::extract::Path::from_request_parts(parts, state).await?;
        Ok(Self(value))
    }
}

/// The query's parameters, all of them known and understood; or what is wrong with them, which only those
/// learn who may ask: see [`Query::read`].
#[derive(Debug)]
pub(crate) struct Query<T>(Result<T, ApiError>);

impl<T> Query<T> {
    /// The parameters. Handlers ask for them after they have asked whether the token may do this at all.
    pub(crate) fn read(self) -> Result<T, ApiError> {
        self.0
    }
}

/// A set of query parameters.
pub(crate) trait FromParams: Sized {
    /// Takes the parameters that the route knows. A value that is wrong is noted in `params`, and
    /// what is returned then is never used.
    fn from_params(params: &mut Params) -> Self;
}

impl<T: FromParams> FromRequestParts<Arc<Api>> for Query<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Infallible> {
        Ok(Self(read(&parts.uri).map_err(ApiError::invalid)))
    }
}

/// A route that knows no parameters.
impl FromParams for () {
    fn from_params(_: &mut Params) -> Self {}
}

/// Reads the parameters of a URL, or says what is wrong with each.
pub(crate) fn read<T: FromParams>(uri: &Uri) -> Result<T, Fields> {
    let Ok(Pairs(given)) = Pairs::<Vec<(String, String)>>::try_from_uri(uri) else {
        let why = "must be name=value pairs".to_owned();
        return Err(Fields::from([("query".to_owned(), why)]));
    };
    let mut params = Params {
        given,
        wrong: Fields::new(),
    };
    let value = T::from_params(&mut params);
    params.finish().map(|()| value)
}

/// Query parameters as they came, until each is taken.
#[derive(Debug)]
pub(crate) struct Params {
    given: Vec<(String, String)>,
    wrong: Fields,
}

impl Params {
    /// Notes what is wrong with a parameter.
    pub(crate) fn refuse(&mut self, name: &str, why: &str) {
        self.wrong.insert(name.to_owned(), why.to_owned());
    }

    /// A parameter's text, which may be empty.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        let mut values = self.given.extract_if(.., |(given, _)| given == name);
        let value = values.next().map(|(_, value)| value);
        let twice = values.next().is_some();
        drop(values);
        if twice {
            self.refuse(name, "given more than once");
        }
        // No record has one: PostgreSQL refuses it, and SQLite ends a text there.
        if value.as_ref().is_some_and(|value| value.contains('\0')) {
            self.refuse(name, "must not hold U+0000");
            return None;
        }
        value
    }

    /// Every value of a parameter that may be given more than once.
    pub(crate) fn all(&mut self, name: &str) -> Vec<String> {
        let values = self.given.extract_if(.., |(given, _)| given == name);
        values.map(|(_, value)| value).collect()
    }

    /// A parameter that can't be empty.
    pub(crate) fn word(&mut self, name: &str) -> Option<String> {
        self.read(name, "must not be empty", |text| {
            Some(text.to_owned()).filter(|text| !text.is_empty())
        })
    }

    /// A parameter that `read` understands; `expected` says what that would be.
    pub(crate) fn read<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let value = read(&text);
        if value.is_none() {
            self.refuse(name, expected);
        }
        value
    }

    /// One of a closed set of words.
    pub(crate) fn one_of(&mut self, name: &str, words: &[&str]) -> Option<String> {
        let expected = format!("must be one of {}", words.join(", "));
        self.read(name, &expected, |text| {
            words.contains(&text).then(|| text.to_owned())
        })
    }

    /// A whole number that is not negative.
    pub(crate) fn count(&mut self, name: &str) -> Option<i64> {
        self.read(name, "must be a whole number from 0", |text| {
            text.parse().ok().filter(|number| *number >= 0)
        })
    }

    /// A moment in RFC 3339.
    pub(crate) fn time(&mut self, name: &str) -> Option<Timestamp> {
        // An offset's `+` that was not escaped arrives as a space.
        self.read(
            name,
            "must be an RFC 3339 time such as 2026-01-31T09:30:00Z",
            |text| text.replace(' ', "+").parse().ok(),
        )
    }

    /// A moment in Unix seconds.
    pub(crate) fn unix_time(&mut self, name: &str) -> Option<Timestamp> {
        self.read(name, "must be a whole number of Unix seconds", |text| {
            text.parse().ok().map(Timestamp::from_secs)
        })
    }

    /// Who called, as the platform names them; may be empty. A number's `+` that was not escaped
    /// arrives as a space, and no identity has one there.
    pub(crate) fn caller(&mut self, name: &str) -> Option<String> {
        self.text(name).map(|text| {
            ["", "sip_", "sip:", "tel:"]
                .into_iter()
                .find_map(|start| {
                    let number = text.strip_prefix(start)?.strip_prefix(' ')?;
                    number
                        .starts_with(|c: char| c.is_ascii_digit())
                        .then(|| format!("{start}+{number}"))
                })
                .unwrap_or(text)
        })
    }

    /// The caller whom a route is about: required, and not empty, for a missing key must never
    /// mean "all".
    pub(crate) fn required_caller(&mut self) -> String {
        let name = "caller_identity";
        let caller = self.caller(name).unwrap_or_default();
        if caller.trim().is_empty() {
            self.refuse(name, "is required, and must name a caller");
        }
        caller
    }

    /// `page_size` and `cursor`.
    pub(crate) fn page(&mut self) -> PageRequest {
        let size = self.read(
            "page_size",
            "must be a whole number from 1 to 100",
            |text| {
                text.parse()
                    .ok()
                    .filter(|size| (1..=PageRequest::MAX_SIZE).contains(size))
            },
        );
        PageRequest {
            size: size.unwrap_or(PageRequest::DEFAULT_SIZE),
            ..self.page_after()
        }
    }

    /// `cursor` alone.
    pub(crate) fn page_after(&mut self) -> PageRequest {
        let expected = crate::page::NotACursor.to_string();
        PageRequest {
            after: self.read("cursor", &expected, |text| Cursor::decode(text).ok()),
            ..PageRequest::default()
        }
    }

    /// What nobody took is unknown, and not ignored: a misspelt filter would answer too much.
    fn finish(mut self) -> Result<(), Fields> {
        for (name, _) in std::mem::take(&mut self.given) {
            self.refuse(&name, UNKNOWN);
        }
        if self.wrong.is_empty() {
            Ok(())
        } else {
            Err(self.wrong)
        }
    }
}

/// The parameters of a list that has no filters.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `Params::page` reads")]
pub(crate) struct PageParams {
    /// Rows a page, 1 to 100.
    #[param(default = 30, minimum = 1, maximum = 100)]
    page_size: Option<usize>,
    /// `next_cursor` of the page before; absent on the first.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

impl FromParams for PageRequest {
    fn from_params(params: &mut Params) -> Self {
        params.page()
    }
}

/// A JSON body, all of whose fields are known and understood; or what is wrong with it, which only those
/// learn who may ask: see [`Json::read`]. Content-Type is not judged.
#[derive(Debug)]
pub(crate) struct Json<T>(Result<T, ApiError>);

impl<T> Json<T> {
    /// The body. Handlers ask for it after they have asked whether the token may do this at all.
    pub(crate) fn read(self) -> Result<T, ApiError> {
        self.0
    }
}

/// A JSON object as it came, until each field is taken.
#[derive(Debug)]
pub(crate) struct Object {
    given: Map<String, Value>,
    wrong: Fields,
}

/// A body of known fields.
pub(crate) trait FromObject: Sized {
    /// Takes the fields that the body has. A value that is wrong is noted in `object`, and what is
    /// returned then is never used.
    fn from_object(object: &mut Object) -> Self;
}

impl Object {
    /// Notes what is wrong with a field.
    pub(crate) fn refuse(&mut self, name: &str, why: &str) {
        self.wrong.insert(name.to_owned(), why.to_owned());
    }

    /// Whether something was wrong with a field, or with a value in it.
    pub(crate) fn is_wrong(&self, name: &str) -> bool {
        let names = self.wrong.keys().filter_map(|one| one.strip_prefix(name));
        let mut rests = names.filter(|rest| rest.is_empty() || rest.starts_with('['));
        rests.next().is_some()
    }

    /// Whether a field is there, though it may be null.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// A field that may be absent or null.
    pub(crate) fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.given.remove(name).filter(|value| !value.is_null())?;
        match serde_json::from_value(value) {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(name, &expected(&error.to_string()));
                None
            }
        }
    }

    /// A list that may be absent or null. What is wrong with one of its values is noted under its place, as
    /// `ids[1]`, and of the first that is wrong alone.
    pub(crate) fn list<T: DeserializeOwned>(&mut self, name: &str) -> Option<Vec<T>> {
        let values: Vec<Value> = self.optional(name)?;
        let mut list = Vec::with_capacity(values.len());
        for (place, value) in values.into_iter().enumerate() {
            match serde_json::from_value(value) {
                Ok(value) => list.push(value),
                Err(error) => {
                    self.refuse(&format!("{name}[{place}]"), &expected(&error.to_string()));
                    return None;
                }
            }
        }
        Some(list)
    }

    /// A field that goes by two names.
    pub(crate) fn either<T: DeserializeOwned>(&mut self, name: &str, other: &str) -> Option<T> {
        if self.has(name) && self.has(other) {
            self.refuse(
                other,
                &format!("is another name of {name}: give one of them"),
            );
        }
        let other = self.optional(other);
        self.optional(name).or(other)
    }

    /// An object in a field that must be there, read by its own fields; what is wrong with one of them is
    /// noted under both names, as `filter.fault`. `wanted` says what is no object what it should be.
    pub(crate) fn nested<T: Default>(
        &mut self,
        name: &str,
        wanted: &str,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let given = match self.given.remove(name) {
            Some(Value::Object(given)) => given,
            None | Some(Value::Null) => {
                self.refuse(name, "is required");
                return T::default();
            }
            Some(_) => {
                self.refuse(name, wanted);
                return T::default();
            }
        };
        let mut inner = Self {
            given,
            wrong: Fields::new(),
        };
        let value = read(&mut inner);
        for (field, why) in inner.finish() {
            self.refuse(&format!("{name}.{field}"), &why);
        }
        value
    }

    /// Notes every field that is null, and takes it out.
    pub(crate) fn refuse_nulls(&mut self, why: &str) {
        let nulls = self.given.iter().filter(|(_, value)| value.is_null());
        let nulls: Vec<String> = nulls.map(|(name, _)| name.clone()).collect();
        for name in nulls {
            self.given.remove(&name);
            self.refuse(&name, why);
        }
    }

    /// What is wrong. What nobody took is unknown, and not ignored.
    fn finish(mut self) -> Fields {
        for (name, _) in std::mem::take(&mut self.given) {
            self.refuse(&name, "is not a field of this body");
        }
        self.wrong
    }

    /// A field that must be there; the default stands in for one that is wrong.
    pub(crate) fn required<T: DeserializeOwned + Default>(&mut self, name: &str) -> T {
        if self.given.get(name).is_none_or(Value::is_null) {
            self.given.remove(name);
            self.refuse(name, "is required");
        }
        self.optional(name).unwrap_or_default()
    }
}

impl<T: FromObject> FromRequest<Arc<Api>> for Json<T> {
    type Rejection = Infallible;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Infallible> {
        Ok(Self(Self::of(request, api).await))
    }
}

impl<T: FromObject> Json<T> {
    async fn of(request: Request, api: &Arc<Api>) -> Result<T, ApiError> {
        let bytes = match Bytes::from_request(request, api).await {
            Ok(bytes) => bytes,
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                return Err(ApiError::too_large());
            }
            Err(_) => return Err(unreadable("ended before it was whole".to_owned())),
        };
        // No body at all is one without fields.
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let given = serde_json::from_slice(text)
            .map_err(|error| unreadable(format!("is not a JSON object: {error}")))?;
        let mut object = Object {
            given,
            wrong: Fields::new(),
        };
        let value = T::from_object(&mut object);
        let wrong = object.finish();
        if wrong.is_empty() {
            Ok(value)
        } else {
            Err(ApiError::invalid(wrong))
        }
    }
}

/// What a value should have been, in our words: the reader of JSON says it in those of its types.
fn expected(error: &str) -> String {
    let Some((_, wanted)) = error.rsplit_once("expected ") else {
        return error.to_owned();
    };
    let wanted = wanted.replace('`', "");
    match wanted.as_str() {
        "u8" | "u16" | "u32" | "u64" | "usize" => "must be a whole number from 0".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "must be a whole number".to_owned(),
        "f32" | "f64" => "must be a number".to_owned(),
        "a boolean" => "must be true or false".to_owned(),
        "a string" => "must be a text".to_owned(),
        "a sequence" => "must be a list".to_owned(),
        "a map" => "must be an object".to_owned(),
        other => format!("must be {other}"),
    }
}

fn unreadable(why: String) -> ApiError {
    ApiError::invalid(Fields::from([("body".to_owned(), why)]))
}

#[cfg(test)]
mod tests;
