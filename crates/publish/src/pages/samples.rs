//! Code that handles errors, in five languages. Each prints the same: `STATUS CODE`, or `ok`.

use super::block::Tab;

/// What a sample calls, and how it finds the code of an error.
#[derive(Debug, Clone)]
pub(crate) struct Sample<'s> {
    pub(crate) url: &'s str,
    pub(crate) method: &'s str,
    /// The header that carries the key, and what precedes the key in it.
    pub(crate) header: &'s str,
    pub(crate) prefix: &'s str,
    /// The members that lead to the code in a body; empty if the format shows none.
    pub(crate) code: &'s [String],
    pub(crate) id_header: &'s str,
    /// How often a request is sent at the most.
    pub(crate) attempts: u32,
    /// The statuses that are worth a retry.
    pub(crate) retried: &'s [u16],
}

/// The sample in each language.
pub(crate) fn tabs(sample: &Sample<'_>) -> Vec<Tab> {
    [
        ("curl", "curl", curl(sample)),
        ("python", "Python", python(sample)),
        ("javascript", "JavaScript", javascript(sample)),
        ("typescript", "TypeScript", typescript(sample)),
        ("rust", "Rust", rust(sample)),
    ]
    .map(|(id, name, code)| Tab { id, name, code })
    .into()
}

fn statuses(sample: &Sample<'_>) -> String {
    sample.retried.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}

/// The statuses after which `curl --retry` sends a request again.
const CURL_RETRIES: [u16; 6] = [408, 429, 500, 502, 503, 504];

fn curl(sample: &Sample<'_>) -> String {
    let Sample { url, method, header, prefix, attempts, retried, .. } = sample;
    let all = match retried.iter().all(|status| CURL_RETRIES.contains(status)) {
        true => "",
        false => " --retry-all-errors",
    };
    let retry = match attempts {
        0 | 1 => String::new(),
        more => format!(" --retry {}{all} --retry-max-time 300", more - 1),
    };
    let method = if *method == "GET" { String::new() } else { format!(" -X {method}") };
    format!(
        "curl -i --fail-with-body{method}{retry} \\\n  -H \"{header}: {prefix}$API_KEY\" \\\n  \"$API_URL{url}\"\n"
    )
}

fn python(sample: &Sample<'_>) -> String {
    let Sample { url, method, header, prefix, code, id_header, attempts, .. } = sample;
    let retried = statuses(sample);
    let member = match code {
        [] => "\"\"".to_owned(),
        path => {
            let (last, before) =
                path.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
            let inner: String = before.iter().map(|name| format!("[\"{name}\"]")).collect();
            format!("response.json(){inner}.get(\"{last}\") or \"\"")
        }
    };
    format!(
        "import os\nimport time\n\nimport requests\n\n\ndef call(attempts={attempts}):\n    for attempt in range(1, attempts + 1):\n        \
         response = requests.request(\n            \"{method}\",\n            os.environ[\"API_URL\"] + \"{url}\",\n            \
         headers={{\"{header}\": \"{prefix}\" + os.environ[\"API_KEY\"]}},\n            timeout=30,\n        )\n        \
         if response.ok:\n            return \"ok\"\n        if response.status_code not in ({retried}{comma}) or attempt == attempts:\n            \
         break\n        time.sleep(int(response.headers.get(\"Retry-After\", 2 ** attempt)))\n    code = {member}\n    \
         request_id = response.headers.get(\"{id_header}\")\n    assert request_id, \"log it, and send it to support\"\n    \
         return f\"{{response.status_code}} {{code}}\".strip()\n\n\nprint(call())\n",
        comma = if sample.retried.len() == 1 { "," } else { "" }
    )
}

/// The body of the function that JavaScript and TypeScript share.
fn script(sample: &Sample<'_>, types: bool) -> String {
    let Sample { url, method, header, prefix, code, id_header, attempts, .. } = sample;
    let retried = statuses(sample);
    let member = match code {
        [] => "\"\"".to_owned(),
        path => {
            let inner: String = path.iter().map(|name| format!("?.[\"{name}\"]")).collect();
            format!("body{inner} ?? \"\"")
        }
    };
    let (signature, body_type, list) = match types {
        true => ("async function call(attempts: number): Promise<string>", ": any", ": number[]"),
        false => ("async function call(attempts)", "", ""),
    };
    format!(
        "const retried{list} = [{retried}];\n\n{signature} {{\n  for (let attempt = 1; ; attempt++) {{\n    \
         const response = await fetch(process.env.API_URL + \"{url}\", {{\n      method: \"{method}\",\n      \
         headers: {{ \"{header}\": \"{prefix}\" + process.env.API_KEY }},\n    }});\n    if (response.ok) return \"ok\";\n    \
         if (retried.includes(response.status) && attempt < attempts) {{\n      \
         const seconds = Number(response.headers.get(\"Retry-After\") ?? 2 ** attempt);\n      \
         await new Promise((done) => setTimeout(done, seconds * 1000));\n      continue;\n    }}\n    \
         const body{body_type} = await response.json();\n    const code = {member};\n    \
         if (!response.headers.get(\"{id_header}\")) throw new Error(\"no request ID\");\n    \
         return `${{response.status}} ${{code}}`.trim();\n  }}\n}}\n\ncall({attempts}).then((result) => console.log(result));\n"
    )
}

fn javascript(sample: &Sample<'_>) -> String {
    script(sample, false)
}

fn typescript(sample: &Sample<'_>) -> String {
    format!("declare const process: {{ env: Record<string, string> }};\n\n{}", script(sample, true))
}

fn rust(sample: &Sample<'_>) -> String {
    let Sample { url, method, header, prefix, code, id_header, attempts, .. } = sample;
    let retried = statuses(sample);
    let member = match code {
        [] => "\"\"".to_owned(),
        path => format!(
            "body{}.as_str().unwrap_or_default()",
            path.iter().map(|name| format!("[\"{name}\"]")).collect::<String>()
        ),
    };
    let mutable = if code.is_empty() { "_body" } else { "body" };
    format!(
        "// reqwest with the features `blocking` and `json`, and serde_json.\nuse std::{{env, thread, time::Duration}};\n\n\
         fn call(attempts: u32) -> Result<String, Box<dyn std::error::Error>> {{\n    let client = reqwest::blocking::Client::new();\n    \
         let url = env::var(\"API_URL\")? + \"{url}\";\n    let key = format!(\"{prefix}{{}}\", env::var(\"API_KEY\")?);\n    \
         let mut attempt = 1;\n    loop {{\n        let request = client.request(\"{method}\".parse()?, &url);\n        \
         let response = request.header(\"{header}\", &key).send()?;\n        if response.status().is_success() {{\n            \
         return Ok(\"ok\".to_owned());\n        }}\n        let status = response.status().as_u16();\n        \
         if [{retried}].contains(&status) && attempt < attempts {{\n            \
         let after = response.headers().get(\"retry-after\").and_then(|value| value.to_str().ok()?.parse().ok());\n            \
         thread::sleep(Duration::from_secs(after.unwrap_or(1 << attempt)));\n            attempt += 1;\n            continue;\n        }}\n        \
         let id = response.headers().get(\"{id_header}\").ok_or(\"no request ID\")?.clone();\n        \
         let {mutable}: serde_json::Value = response.json()?;\n        let code = {member};\n        \
         eprintln!(\"request {{id:?}} failed\");\n        return Ok(format!(\"{{status}} {{code}}\").trim().to_owned());\n    }}\n}}\n\n\
         fn main() -> Result<(), Box<dyn std::error::Error>> {{\n    println!(\"{{}}\", call({attempts})?);\n    Ok(())\n}}\n"
    )
}
