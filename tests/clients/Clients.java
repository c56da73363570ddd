// Java's two clients against the service: java Clients.java URL PICTURE; prints a line for each answer.
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;

public class Clients {
    public static void main(String[] arguments) throws IOException, InterruptedException {
        URI encode = URI.create(arguments[0] + "/encode");
        byte[] picture = Files.readAllBytes(Path.of(arguments[1]));
        for (HttpClient.Version version : HttpClient.Version.values()) { // HTTP_2, the default, offers an upgrade to h2c
            HttpClient client = HttpClient.newBuilder().version(version).build();
            for (int i = 0; i < 2; i++) { // the second time over a connection that is there
                System.out.println(post(client, encode, BodyPublishers.ofByteArray(picture), false));
                System.out.println(post(client, encode, BodyPublishers.ofByteArray(picture), true));
                System.out.println(post(client, encode, chunks(picture), false));
            }
            System.out.println(post(client, encode, BodyPublishers.ofByteArray(new byte[30 << 20]), false));
        }
        System.out.println(old(encode, picture, false));
        System.out.println(old(encode, picture, true));
        System.out.println(old(encode, new byte[30 << 20], false));
        System.out.println(old(encode, new byte[30 << 20], true));
    }

    private static BodyPublisher chunks(byte[] content) {
        return BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(content));
    }

    private static String post(HttpClient client, URI target, BodyPublisher body, boolean asks)
            throws IOException, InterruptedException {
        HttpRequest request =
                HttpRequest.newBuilder(target).header("Content-Type", "image/png").expectContinue(asks).POST(body).build();
        return client.send(request, BodyHandlers.ofString()).body();
    }

    private static String old(URI target, byte[] content, boolean isChunked) throws IOException {
        HttpURLConnection connection = (HttpURLConnection) target.toURL().openConnection();
        connection.setDoOutput(true);
        connection.setRequestProperty("Content-Type", "image/png");
        if (isChunked) {
            connection.setChunkedStreamingMode(0);
        }
        try (OutputStream out = connection.getOutputStream()) {
            out.write(content);
        }
        boolean isGood = connection.getResponseCode() < 400;
        try (InputStream in = isGood ? connection.getInputStream() : connection.getErrorStream()) {
            return new String(in.readAllBytes());
        }
    }
}
