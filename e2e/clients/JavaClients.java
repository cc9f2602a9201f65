import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import okhttp3.FormBody;
import okhttp3.HttpUrl;
import okhttp3.MediaType;
import okhttp3.MultipartBody;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.RequestBody;
import okhttp3.Response;

/** Requests as OkHttp, Java's HttpClient and HttpURLConnection make them. Arguments: URL and key. */
public final class JavaClients {
    private static final String[] IDS = {
        "plain", "a b", "user@example.org", "café", "2026-01-01T00:00:00Z", "50%", "a+b", "what?", "(x)~!*'"};
    private static final String[] FILES = {
        "report.pdf", "my report (final).pdf", "résumé.pdf", "レポート.pdf", "quo\"te.txt", "semi;colon.txt", "50%.txt"};

    private static String url;
    private static String key;

    public static void main(String[] arguments) throws Exception {
        url = arguments[0];
        key = arguments[1];
        withOkHttp();
        withHttpClient();
        withUrlConnection();
        System.exit(0);
    }

    private static void told(String name, int status) {
        StringBuilder plain = new StringBuilder();
        for (char character : name.toCharArray()) {
            plain.append(character < ' ' || character > '~' || character == '"' || character == '\\'
                ? String.format("\\u%04x", (int) character) : String.valueOf(character));
        }
        System.out.println("{\"name\":\"" + plain + "\",\"status\":" + status + "}");
    }

    private static void withOkHttp() throws Exception {
        OkHttpClient client = new OkHttpClient();
        HttpUrl search = HttpUrl.get(url + "/search").newBuilder()
            .addQueryParameter("q", "red & blue, 100% café +1").addQueryParameter("tag", "a").addQueryParameter("tag", "b b")
            .addQueryParameter("ids[]", "1").addQueryParameter("filter[name]", "x/y").build();
        send(client, "query", new Request.Builder().url(search));
        send(client, "cookie", new Request.Builder().url(search).header("Cookie", "session=abc"));
        for (String id : IDS) {
            HttpUrl item = HttpUrl.get(url + "/items").newBuilder().addPathSegment(id).build();
            send(client, "path " + id, new Request.Builder().url(item));
        }
        RequestBody json = RequestBody.create(MediaType.get("application/json; charset=utf-8"), "{\"name\":\"ü\"}");
        send(client, "json", new Request.Builder().url(url + "/things").post(json));
        RequestBody form = new FormBody.Builder().add("name", "Zoë & co").add("note", "a+b = c%d; e\r\nsecond line")
            .add("tag", "x").add("tag", "y").add("ids[]", "1").build();
        send(client, "form", new Request.Builder().url(url + "/forms").post(form));
        for (String file : FILES) {
            RequestBody data = RequestBody.create(MediaType.get("text/plain"), "data");
            RequestBody body = new MultipartBody.Builder().setType(MultipartBody.FORM)
                .addFormDataPart("title", "Zoë").addFormDataPart("file", file, data).build();
            send(client, "file " + file, new Request.Builder().url(url + "/uploads").post(body));
        }
        send(client, "delete", new Request.Builder().url(url + "/items/1").delete());
    }

    private static void send(OkHttpClient client, String name, Request.Builder request) throws Exception {
        request.header("Authorization", "Bearer " + key);
        try (Response response = client.newCall(request.build()).execute()) {
            told("OkHttp: " + name, response.code());
        }
    }

    private static void withHttpClient() throws Exception {
        for (HttpClient.Version version : HttpClient.Version.values()) {
            HttpClient client = HttpClient.newBuilder().version(version).build();
            String query = "q=" + URLEncoder.encode("red & blue, 100% café +1", StandardCharsets.UTF_8) + "&tag=a&tag=b+b";
            send(client, version, "query", HttpRequest.newBuilder(URI.create(url + "/search?" + query)));
            for (String id : IDS) {
                // The multi-argument constructor quotes what a path may not have.
                URI whole = new URI("http", URI.create(url).getAuthority(), "/items/" + id, null, null);
                send(client, version, "path " + id, HttpRequest.newBuilder(URI.create(whole.toASCIIString())));
            }
            HttpRequest.BodyPublisher json = HttpRequest.BodyPublishers.ofString("{\"name\":\"ü\"}");
            send(client, version, "json",
                HttpRequest.newBuilder(URI.create(url + "/things")).header("Content-Type", "application/json").POST(json));
            send(client, version, "expect", HttpRequest.newBuilder(URI.create(url + "/things")).expectContinue(true)
                .header("Content-Type", "application/json").POST(json));
        }
    }

    private static void send(HttpClient client, HttpClient.Version version, String name, HttpRequest.Builder request)
        throws Exception {
        HttpRequest made = request.header("Authorization", "Bearer " + key).build();
        told("HttpClient " + version + ": " + name, client.send(made, HttpResponse.BodyHandlers.ofString()).statusCode());
    }

    private static void withUrlConnection() throws Exception {
        HttpURLConnection connection = (HttpURLConnection) URI.create(url + "/search?q=a+b").toURL().openConnection();
        connection.setRequestProperty("Authorization", "Bearer " + key);
        told("HttpURLConnection: query", connection.getResponseCode());
        connection = (HttpURLConnection) URI.create(url + "/forms").toURL().openConnection();
        connection.setRequestProperty("Authorization", "Bearer " + key);
        connection.setDoOutput(true);
        try (OutputStream body = connection.getOutputStream()) {
            body.write(("name=" + URLEncoder.encode("Zoë & co", StandardCharsets.UTF_8)).getBytes(StandardCharsets.US_ASCII));
        }
        told("HttpURLConnection: form", connection.getResponseCode());
    }
}
