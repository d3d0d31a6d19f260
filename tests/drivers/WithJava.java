// WithJava PORT DATABASE: the same rows through pgjdbc, in text and, from the fifth run on, in binary.
import java.sql.*;
import java.util.*;

public class WithJava {
    public static void main(String[] args) throws Exception {
        String url = "jdbc:postgresql://127.0.0.1:" + args[0] + "/" + args[1] + "?sslmode=disable&gssEncMode=disable&prepareThreshold=2";
        try (Connection c = DriverManager.getConnection(url, "agent", "any");
                PreparedStatement s = c.prepareStatement("SELECT * FROM typed ORDER BY id")) {
            for (int run = 0; run < 5; run++)
                try (ResultSet r = s.executeQuery()) {
                    say("pgjdbc, run " + run, r);
                }
            s.setFetchSize(1);
            c.setAutoCommit(false);
            try (ResultSet r = s.executeQuery()) {
                say("pgjdbc by a portal", r);
            }
        }
    }

    static void say(String way, ResultSet r) throws Exception {
        List<String> rows = new ArrayList<>();
        while (r.next()) {
            List<String> row = new ArrayList<>();
            for (int i = 1; i <= r.getMetaData().getColumnCount(); i++)
                row.add("\"" + String.valueOf(r.getObject(i)).replace("\\", "\\\\").replace("\"", "\\\"") + "\"");
            rows.add("[" + String.join(", ", row) + "]");
        }
        System.out.println("{\"way\": \"" + way + "\", \"rows\": [" + String.join(", ", rows) + "]}");
    }
}
