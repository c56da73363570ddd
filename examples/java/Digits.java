// A digit's latent and new digits, with the JDK alone (11 or later):
//     java examples/java/Digits.java http://127.0.0.1:8000 docs/seven.png
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;

public class Digits {
    private static final HttpClient CLIENT = HttpClient.newHttpClient(); // one for all requests: it keeps connections

    public static void main(String[] arguments) throws IOException, InterruptedException {
        String url = arguments[0];
        Path picture = Path.of(arguments[1]);

        HttpRequest encode = HttpRequest.newBuilder(URI.create(url + "/encode"))
                .header("Content-Type", "image/png")
                .POST(BodyPublishers.ofFile(picture))
                .build();
        String latent = new String(answer(encode)); // {"model":…,"mean":[[…]],"log_var":[[…]]}; read it with any JSON library
        int mean = latent.indexOf("\"mean\"");
        System.out.println(latent.substring(mean, Math.min(latent.length(), mean + 60)) + "…");

        HttpRequest sample = HttpRequest.newBuilder(URI.create(url + "/sample"))
                .header("Content-Type", "application/json")
                .header("Accept", "image/png")
                .POST(BodyPublishers.ofString("{\"label\": 7, \"count\": 16, \"seed\": 1}"))
                .build();
        System.out.println("saved " + Files.write(Path.of("sevens.png"), answer(sample)));
    }

    /** The answer's body; a problem of the service ends the program with its code and detail. */
    private static byte[] answer(HttpRequest request) throws IOException, InterruptedException {
        HttpResponse<byte[]> response = CLIENT.send(request, BodyHandlers.ofByteArray());
        if (response.statusCode() != 200) {
            System.err.println(response.statusCode() + " " + new String(response.body()));
            System.exit(1);
        }
        return response.body();
    }
}
