import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.catalina.Context;
import org.apache.catalina.startup.Tomcat;

/**
 * The oracle's API on Tomcat. Literal paths are servlet mappings; templates are matched in the decoded path info of a prefix
 * mapping, as frameworks on top of servlets do.
 */
public final class TomcatServer {
    /** A mapping, and the operations below it: alternating name and pattern of the path info. */
    private record Mapping(String at, String... operations) {}

    private static final Mapping[] MAPPINGS = {
        new Mapping("/items/export", "exportItems", "|/"),
        new Mapping("/items/*", "listItems", "", "getItem", "/([^/]+)", "getSecret", "/([^/]+)/secret",
            "listNotes", "/([^/]+)/notes", "latestNote", "/([^/]+)/notes/latest", "getNote", "/([^/]+)/notes/([^/]+)"),
        new Mapping("/admin/purge", "purge", "|/"),
        new Mapping("/admin/*", "showAdmin", "/([^/]+)", "anyPage", ""),
        new Mapping("/files/*", "getFileJson", "/([^/]+)\\.json", "getFile", "/([^/]+)", "anyPage", ""),
        new Mapping("/compare/*", "compareRefs", "/([^/]+?)\\.\\.\\.([^/]+)", "anyPair", "/([^/]+)", "anyPage", ""),
        new Mapping("/*", "ping", "/v([^/]+)/ping", "anyPair", "/([^/]+)/([^/]+)", "anyPage", "/([^/]+)"),
    };

    public static void main(String[] arguments) throws Exception {
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(arguments[0]);
        tomcat.setPort(0);
        tomcat.getConnector().setProperty("address", "127.0.0.1");
        // The most permissive setting, as deployments have it that expect encoded slashes in identifiers.
        if (arguments.length > 1) {
            tomcat.getConnector().setEncodedSolidusHandling(arguments[1]);
        }
        Context context = tomcat.addContext("", arguments[0]);
        for (Mapping mapping : MAPPINGS) {
            Tomcat.addServlet(context, mapping.at, new Handler(mapping));
            context.addServletMappingDecoded(mapping.at, mapping.at);
        }
        tomcat.start();
        System.out.println(tomcat.getConnector().getLocalPort());
        tomcat.getServer().await();
    }

    private static final class Handler extends HttpServlet {
        private final transient Mapping mapping;

        Handler(Mapping mapping) {
            this.mapping = mapping;
        }

        @Override
        protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
            String info = request.getPathInfo() == null ? "" : request.getPathInfo();
            for (int index = 0; index < mapping.operations.length; index += 2) {
                Matcher matcher = Pattern.compile(mapping.operations[index + 1], Pattern.DOTALL).matcher(info);
                if (matcher.matches()) {
                    List<String> values = new ArrayList<>();
                    for (int group = 1; group <= matcher.groupCount(); group++) {
                        values.add(quoted(matcher.group(group)));
                    }
                    response.setContentType("application/json");
                    response.setCharacterEncoding("UTF-8");
                    response.getWriter().print("{\"ran\":\"" + mapping.operations[index] + "\",\"values\":["
                        + String.join(",", values) + "]}");
                    return;
                }
            }
            response.setStatus(404);
        }

        private static String quoted(String text) {
            StringBuilder quoted = new StringBuilder("\"");
            for (char character : text.toCharArray()) {
                if (character < ' ' || character == '"' || character == '\\' || character > '~') {
                    quoted.append(String.format("\\u%04x", (int) character));
                } else {
                    quoted.append(character);
                }
            }
            return quoted.append('"').toString();
        }
    }
}
