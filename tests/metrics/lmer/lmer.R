# lmerTest's numbers for the tables of this folder: Rscript lmer.R > lmer.csv
# Runs are nested in methods, with a variance of their own for each method, and crossed with
# problems. A deterministic method is one run: the differences from it are one sample.
suppressMessages({library(lmerTest)})
control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 0.02, rhoend = 1e-12, maxfun = 1e6))
cat("table,estimate,error,df,p\n")
say <- function(name, row) {
  cat(sprintf("%s,%.12g,%.12g,%.12g,%.12g\n", name, row[["Estimate"]], row[["Std. Error"]], row[["df"]], row[["Pr(>|t|)"]]))
}
for (name in c("binary", "shares")) {
  table <- read.csv(paste0(name, ".csv"))
  table$run <- interaction(table$method, table$seed)
  table$a <- as.numeric(table$method == "a")
  table$b <- 1 - table$a
  fitted <- lmer(
    outcome ~ a + (1 | problem) + (1 | method:problem) + (0 + a | run) + (0 + b | run),
    data = table, control = control
  )
  say(name, coef(summary(fitted))["a", ])
}
table <- read.csv("deterministic.csv")
fixed <- table[table$method == "b", ]
table <- table[table$method == "a", ]
table$outcome <- table$outcome - fixed$outcome[match(table$problem, fixed$problem)]
fitted <- lmer(outcome ~ 1 + (1 | problem) + (1 | seed), data = table, control = control)
say("deterministic", coef(summary(fitted))["(Intercept)", ])
cat(sprintf("# R %s.%s, lme4 %s, lmerTest %s\n", R.version$major, R.version$minor, packageVersion("lme4"), packageVersion("lmerTest")))
