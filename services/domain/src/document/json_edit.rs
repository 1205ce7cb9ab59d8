//! Operations on plain JSON: for what is written as a whole.

use serde_json::{Map, Value};

use super::operation::OperationKind;
use super::point::list_index;

/// Does an operation at a path inside a value; false when there is nothing to do. The error is about the path.
pub(super) fn apply(
    content: &mut Value,
    kind: OperationKind,
    path: &[String],
    value: &Value,
) -> Result<bool, String> {
    let Some((last, parents)) = path.split_last() else {
        // The content is the list that something is appended to.
        content.as_array_mut().ok_or("this is not a list")?.push(value.clone());
        return Ok(true);
    };
    let mut at = content;
    for segment in parents {
        at = match at {
            Value::Object(fields) => fields.get_mut(segment),
            Value::Array(elements) => {
                let index = list_index(segment, elements.len())?;
                elements.get_mut(index)
            }
            _ => None,
        }
        .ok_or_else(|| {
            format!("`{segment}` does not exist at the point of history that the client had seen")
        })?;
    }
    match at {
        Value::Object(fields) => in_object(fields, kind, last, value),
        Value::Array(elements) => in_list(elements, kind, list_index(last, elements.len())?, value),
        _ => Err(format!("what should hold `{last}` is not an object or a list")),
    }
}

fn in_object(
    fields: &mut Map<String, Value>,
    kind: OperationKind,
    key: &str,
    value: &Value,
) -> Result<bool, String> {
    match kind {
        OperationKind::Set => fields.insert(key.to_owned(), value.clone()),
        OperationKind::Delete => return Ok(fields.remove(key).is_some()),
        OperationKind::Append => {
            let list = fields.entry(key).or_insert_with(|| Value::Array(Vec::new()));
            list.as_array_mut().ok_or_else(|| format!("`{key}` is not a list"))?.push(value.clone());
            None
        }
    };
    Ok(true)
}

fn in_list(
    elements: &mut Vec<Value>,
    kind: OperationKind,
    index: usize,
    value: &Value,
) -> Result<bool, String> {
    match (kind, elements.get_mut(index)) {
        (OperationKind::Set, Some(element)) => *element = value.clone(),
        (OperationKind::Set, None) => elements.push(value.clone()),
        (OperationKind::Delete, Some(_)) => drop(elements.remove(index)),
        (OperationKind::Delete, None) => return Ok(false),
        (OperationKind::Append, Some(list)) => {
            list.as_array_mut().ok_or_else(|| format!("`{index}` is not a list"))?.push(value.clone());
        }
        (OperationKind::Append, None) => elements.push(Value::Array(vec![value.clone()])),
    }
    Ok(true)
}
