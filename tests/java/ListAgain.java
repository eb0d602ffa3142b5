import com.anthropic.client.AnthropicClient;
import com.anthropic.client.okhttp.AnthropicOkHttpClient;
import java.util.Scanner;

/** Lists the models with one client, once for each line that it is given, and prints the first. */
class ListAgain {
    public static void main(String[] arguments) {
        AnthropicClient client = AnthropicOkHttpClient.fromEnv();
        try (Scanner lines = new Scanner(System.in)) {
            while (lines.hasNextLine()) {
                lines.nextLine();
                System.out.println(client.models().list().data().get(0).id());
            }
        }
        client.close();
    }
}
