import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.apache.tomcat.util.buf.MessageBytes;
import org.apache.tomcat.util.http.Parameters;
import org.apache.tomcat.util.http.fileupload.FileItem;
import org.apache.tomcat.util.http.fileupload.FileUpload;
import org.apache.tomcat.util.http.fileupload.UploadContext;
import org.apache.tomcat.util.http.fileupload.disk.DiskFileItemFactory;

/**
 * Reads requests as Tomcat's getParameter and getParts do. One request is three lines in: its Content-Type, its query
 * and its body, each in hexadecimal; one line of JSON out. Every character stands for a byte.
 */
public class Read {
    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            byte[] type = bytes(line);
            byte[] query = bytes(in.readLine());
            byte[] body = bytes(in.readLine());
            String answer;
            try {
                answer = read(new String(type, StandardCharsets.ISO_8859_1), query, body);
            } catch (Exception error) {
                answer = "{\"error\":" + quoted(String.valueOf(error).getBytes(StandardCharsets.UTF_8)) + "}";
            }
            System.out.println(answer);
        }
    }

    static String read(String type, byte[] query, byte[] body) throws Exception {
        List<String> form = new ArrayList<>();
        List<String> files = new ArrayList<>();
        String essence = type.contains(";") ? type.substring(0, type.indexOf(';')).trim() : type.trim();
        if (essence.equals("application/x-www-form-urlencoded")) {
            form = parameters(body);
        } else if (essence.equalsIgnoreCase("multipart/form-data")) {
            FileUpload upload = new FileUpload();
            DiskFileItemFactory factory = new DiskFileItemFactory();
            factory.setRepository(new File(System.getProperty("java.io.tmpdir")));
            upload.setFileItemFactory(factory);
            upload.setHeaderEncoding("UTF-8");
            for (FileItem item : upload.parseRequest(new Body(type, body))) {
                String name = quoted(item.getFieldName().getBytes(StandardCharsets.UTF_8));
                if (item.isFormField()) {
                    String value = item.getString("UTF-8");
                    form.add("[" + name + "," + quoted(value.getBytes(StandardCharsets.UTF_8)) + "]");
                } else {
                    String filename = quoted(item.getName().getBytes(StandardCharsets.UTF_8));
                    files.add("[" + name + "," + filename + "," + quoted(item.get()) + "]");
                }
            }
        }
        return "{\"query\":" + parameters(query) + ",\"form\":" + form + ",\"files\":" + files + "}";
    }

    static List<String> parameters(byte[] text) {
        Parameters parameters = new Parameters();
        parameters.setLimit(1000);
        parameters.setCharset(StandardCharsets.UTF_8);
        parameters.setQueryStringCharset(StandardCharsets.UTF_8);
        MessageBytes bytes = MessageBytes.newInstance();
        bytes.setBytes(text, 0, text.length);
        bytes.getByteChunk().setCharset(StandardCharsets.UTF_8);
        parameters.processParameters(bytes, StandardCharsets.UTF_8);
        List<String> all = new ArrayList<>();
        for (String name : Collections.list(parameters.getParameterNames())) {
            for (String value : parameters.getParameterValues(name)) {
                all.add("[" + quoted(name.getBytes(StandardCharsets.UTF_8)) + ","
                    + quoted(value.getBytes(StandardCharsets.UTF_8)) + "]");
            }
        }
        return all;
    }

    static byte[] bytes(String hex) {
        byte[] read = new byte[hex.length() / 2];
        for (int at = 0; at < read.length; at++) {
            read[at] = (byte) Integer.parseInt(hex.substring(2 * at, 2 * at + 2), 16);
        }
        return read;
    }

    static String quoted(byte[] bytes) {
        StringBuilder text = new StringBuilder("\"");
        for (byte each : bytes) {
            text.append(String.format("\\u%04x", each & 0xff));
        }
        return text.append('"').toString();
    }

    record Body(String type, byte[] bytes) implements UploadContext {
        public String getCharacterEncoding() {
            return "UTF-8";
        }

        public String getContentType() {
            return type;
        }

        public long contentLength() {
            return bytes.length;
        }

        public InputStream getInputStream() {
            return new ByteArrayInputStream(bytes);
        }
    }
}
